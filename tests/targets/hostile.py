# SPDX-License-Identifier: BSD-2-Clause
"""Truth: functions whose names are written to break what shows them: markup, the end of a CDATA
section, the separators of the collapsed format, control characters, and a file name of the same
kind. They share the CPU time evenly.
"""

from truth import Stop, ready

NAMES = [
    "<script>alert(1)</script>",
    "]]>",
    "a;b",
    "line\nbreak",
    "\x1b[31mred",
    '"quoted" & <b>',
    "</svg><script>document.title='broken'</script>",
    "ünïcödé_関数",
    "x" * 600,
    "ends with a number 17",
]


def template(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def make(name):
    code = template.__code__
    names = {"co_name": name, "co_filename": f"/tmp/{name[:40]}.py"}
    if hasattr(code, "co_qualname"):
        names["co_qualname"] = name
    return type(template)(code.replace(**names), {"range": range})


def main():
    functions = [make(name) for name in NAMES]
    stop = Stop()
    ready()
    while not stop:
        for function in functions:
            function(3000)


if __name__ == "__main__":
    main()
