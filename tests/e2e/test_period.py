# SPDX-License-Identifier: BSD-2-Clause
"""A target that does the same in step with the sampling period must not deceive the sampler."""

import unittest

import harness
from harness import Target, need_ebpf, record, share_bound

# Rate in Hz and seconds of recording: enough samples for a bound that tells 20 % from none.
RATES = ((999, 10), (1999, 6))
# The period stays the same for 40 samples in the mean, and every other one mirrors the one before; so
# many samples count as one.
SAMPLES_PER_CHANGE = 80
BOUND_MAX = 0.2  # tells 20 % from none
LONGER = 3  # tries, each twice as long, where the machine is too busy to give so many samples


@need_ebpf
class Period(unittest.TestCase):
    def measure(self, beat_ns, rate, seconds):
        """(measured share, true share, bound, recording)"""
        with Target("periodic", beat_ns) as target:
            recording = record(target.pid, rate=rate, seconds=seconds)
            truth = target.stop()["TRUTH"]
        share = truth["parts"]["on_beat"]["ns"] / truth["cpu_ns"]
        independent = recording.samples / SAMPLES_PER_CHANGE
        return (
            recording.share("on_beat"),
            share,
            share_bound(share, independent, 1.0, 1e-9, 1e-9),
            recording,
        )

    def check(self, beat_ns, rate, seconds):
        for _ in range(LONGER):
            measured, share, bound, recording = self.measure(beat_ns, rate, seconds)
            if bound < BOUND_MAX:
                break
            seconds *= 2
        self.assertLess(bound, BOUND_MAX, "too few samples to tell anything")
        self.assertLessEqual(
            abs(measured - share),
            bound,
            f"measured {measured:.3f}, true {share:.3f}, bound {bound:.3f}\n"
            + recording.describe(),
        )

    def test_the_same_period(self):
        for rate, seconds in RATES:
            with self.subTest(rate=rate):
                self.check(round(1e9 / rate), rate, seconds)

    def test_half_the_period(self):
        self.check(round(1e9 / 999 / 2), *RATES[0])


if __name__ == "__main__":
    unittest.main()
