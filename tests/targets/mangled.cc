/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: three C++ functions of mangled names get about 20, 30 and 50 % of the CPU time:
 *   shop::Basket<int>::total, shop::(anonymous namespace)::price and shop::Basket<int>::operator+=.
 * Every tenth burst of total() ends in an exception that work() catches, so the unwinder meets
 * landing pads. */
#include <stdexcept>

#include "truth.h"

namespace shop
{
namespace
{

NOINLINE void price(uint64_t units, const char *)
{
	burn(units);
}

} // namespace

template <typename T> class Basket
{
      public:
	NOINLINE void total(int units) const
	{
		burn((uint64_t)units);
		if (units % 10 == 0)
			throw std::runtime_error("a burst in ten");
	}

	NOINLINE Basket &operator+=(T units)
	{
		burn((uint64_t)units);
		return *this;
	}
};

NOINLINE void work(struct truth *t, Basket<int> &basket)
{
	int units = (int)(20 + truth_random(t, 200)), part = (int)truth_random(t, 3);
	uint64_t from = truth_clock_ns();

	if (part == 0) {
		try {
			basket.total(2 * units);
		} catch (const std::runtime_error &) {
		}
		truth_add(&t->parts[0], "shop::Basket<int>::total", truth_clock_ns() - from);
	} else if (part == 1) {
		price((uint64_t)(3 * units), "a name");
		truth_add(&t->parts[1], "shop::(anonymous namespace)::price",
			truth_clock_ns() - from);
	} else {
		basket += 5 * units;
		truth_add(&t->parts[2], "shop::Basket<int>::operator+=", truth_clock_ns() - from);
	}
}

} // namespace shop

int main(int argc, char **argv)
{
	struct truth t;
	shop::Basket<int> basket;

	truth_ready(argc, argv);
	truth_begin(&t, 2);
	while (!truth_stopped)
		shop::work(&t, basket);
	truth_print(&t, "TRUTH");
	return 0;
}
