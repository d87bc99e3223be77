"""All kernels on a real card, in one command: `make gpu-check`.

Stages, the most telling first, each within its share of the time:

  cases      every case of every spec on the card, against float64; a process for each family, so
             that a lost context costs one family
  wrappers   every wrapper of device.cuh alone; what the card gave is kept in tests/kernels/golden/,
             with which tests compare the emulator, and is compared with the emulator at once
  demo       the demo's network trains on the card
  sanitizer  compute-sanitizer (memcheck, racecheck, initcheck, synccheck) over the smallest case
             of each kernel; a sanitizer that the host refuses is recorded as that

What came out is written as JSON to bench/results/, with card, driver and date. `--device emu` is
the dry run: the same code on the emulator, which tests use.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
STAGES = ("cases", "wrappers", "demo", "sanitizer")
SHARES = {"cases": 0.45, "wrappers": 0.1, "demo": 0.15, "sanitizer": 0.3}  # of the minutes
GOLDEN = ROOT / "tests" / "kernels" / "golden"
ALONE = ("block", "hopper", "tma")  # themes of wrappers that would hang a card rather than fail
FOUND = 99  # the exit status that compute-sanitizer is asked for when it finds something
Report = dict[str, Any]


# ----- in a process of its own -----
def size_of(case: Any) -> int:
    """Elements of a case's operands; of the result, where it is created."""
    shapes = [operand.shape for operand in case.operands if operand is not None]
    return sum(map(math.prod, shapes or [case.params.get("shape", (1,))]))


def run_cases(device_name: str, families: list[str], smallest: bool) -> Iterator[Report]:
    """Run the cases of the specs of `families`; a report for each spec."""
    import gpudl as gd
    from gpudl import kernels
    from gpudl.testing.kernel_cases import recover, run_case

    device = gd.device(device_name)
    for spec in kernels.specs():
        if families and spec.family not in families:
            continue
        # An empty case launches nothing.
        cases = sorted((case for case in spec.cases if size_of(case)), key=size_of)
        chosen = cases[:1] if smallest else list(spec.cases)
        failures, worst, begun = [], 0.0, time.perf_counter()
        for case in chosen:
            try:
                worst = max(worst, run_case(spec, case, device).worst)
            except Exception as error:  # whatever it is, it belongs into the report
                failures.append(f"{case}: {type(error).__name__}: {error}")
                recover(device)
        yield {
            "kernel": spec.name,
            "cases": len(chosen),
            "passed": len(chosen) - len(failures),
            "worst": worst,
            "seconds": round(time.perf_counter() - begun, 3),
            "failures": failures[:5],
        }


def run_wrappers(device_name: str, themes: list[str]) -> Iterator[Report]:
    """Run the wrappers of themes; for each its output, and how the emulator's differs from it."""
    import gpudl as gd
    from gpudl.errors import MissingDependencyError
    from gpudl.kernels.conformance.wrappers import THEMES, WRAPPERS, run
    from gpudl.runtime import runs_on
    from gpudl.testing.conformance import difference, encoded
    from gpudl.testing.kernel_cases import recover

    device, emulator = gd.device(device_name), gd.device("emu")
    here = device.empty((1,), gd.float32)
    for wrapper in WRAPPERS:
        if wrapper.theme not in themes or not runs_on(THEMES[wrapper.theme], here):
            continue
        row: Report = {"kernel": wrapper.kernel, "failure": None, "differs": None}
        try:
            out = run(wrapper, device)
            row["output"] = encoded(out)
            if device.kind != "emu":
                row["differs"] = difference(wrapper, run(wrapper, emulator), out)
        except MissingDependencyError:
            pass  # no g++ here; the tests compare
        except Exception as error:  # whatever it is, it belongs into the report
            row["failure"] = f"{type(error).__name__}: {error}"
            recover(device)
        yield row


# ----- stages -----
class Check:
    """The run of all stages: what it has found, and how much time is left."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.begun = time.perf_counter()
        self.report: Report = {"date": datetime.date.today().isoformat(), "device": args.device}

    def left(self) -> float:
        """Seconds."""
        return float(60 * self.args.minutes - (time.perf_counter() - self.begun))

    def limit(self, stage: str) -> float:
        """Seconds that a stage may take."""
        return max(1.0, min(self.left(), 60 * self.args.minutes * SHARES[stage]))

    def child(self, *options: str) -> list[str]:
        """The command that runs cases in a process of its own."""
        script = str(Path(__file__).resolve())
        return [sys.executable, script, "--child", "--device", self.args.device, *options]

    def facts(self) -> None:
        """The card and its driver."""
        import gpudl as gd

        self.report["gpudl"] = gd.__version__
        if self.args.device.startswith("cuda"):
            asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
            said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
            name, _, driver = said.strip().split("\n")[0].partition(", ")
            self.report |= {"card": name, "driver": driver}

    def cases(self) -> None:
        """Every case, a family after the other."""
        from gpudl import kernels

        deadline = time.perf_counter() + self.limit("cases")
        rows: list[Report] = []
        families = self.args.families or sorted({spec.family for spec in kernels.specs()})
        for family in families:
            say(f"cases: {family}")
            options = ["--families", family, *(["--smallest"] if self.args.smallest else [])]
            seconds = max(1.0, deadline - time.perf_counter())
            status, out, err = run(self.child(*options), seconds)
            found = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
            rows += found
            if status or not found:
                why = ending(status, err) if status else "no kernel ran"
                rows.append({"kernel": f"{family}: process", "failures": [why]})
            for row in found:
                good = row["passed"] == row["cases"]
                say(
                    f"  {row['kernel']:24} {row['passed']}/{row['cases']} {'' if good else 'FAILS'}"
                )
        self.report["cases"] = rows

    def wrappers(self) -> None:
        """Every wrapper of device.cuh, in a few processes; the outputs as a file."""
        from gpudl.kernels.conformance.wrappers import THEMES

        deadline = time.perf_counter() + self.limit("wrappers")
        outputs: dict[str, str] = {}
        failures: list[str] = []
        for themes in ([t for t in THEMES if t not in ALONE], *([t] for t in ALONE)):
            say(f"wrappers: {' '.join(themes)}")
            seconds = max(1.0, deadline - time.perf_counter())
            status, out, err = run(self.child("--wrappers", *themes), seconds)
            if status:
                failures.append(f"{' '.join(themes)}: {ending(status, err)}")
            for row in (json.loads(line) for line in out.splitlines() if line.startswith("{")):
                if "output" in row:
                    outputs[row["kernel"]] = row["output"]
                if row["failure"] or row["differs"]:
                    why = row["failure"] or f"the emulator's {row['differs']}"
                    failures.append(f"{row['kernel']}: {why}")
        facts = {name: self.report.get(name) for name in ("card", "driver", "date", "gpudl")}
        folder = GOLDEN if self.args.device.startswith("cuda") else self.args.out
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"wrappers-{self.card()}.json"
        path.write_text(json.dumps(facts | {"outputs": outputs}, indent=0) + "\n")
        self.report["wrappers"] = {"run": len(outputs), "failures": failures, "file": path.name}
        for failure in failures:
            say(f"  {failure}")

    def demo(self) -> None:
        """The demo's network; a few steps in the dry run."""
        say("demo: training")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "demo.json"
            command = [sys.executable, "-m", "gpudl.cli", "train", "cnn", "--data", "digits"]
            command += ["--device", self.args.device, "--json", str(path), "--quiet"]
            if self.args.steps:
                command += ["--steps", str(self.args.steps)]
            status, _, err = run(command, self.limit("demo"))
            figures = json.loads(path.read_text()) if path.exists() else {}
        self.report["demo"] = {"status": "passed" if not status else ending(status, err)} | figures

    def sanitizer(self) -> None:
        """Each tool over the smallest case of each kernel."""
        program = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        outcomes: Report = {}
        self.report["sanitizer"] = outcomes
        if not self.args.device.startswith("cuda") or not Path(program).exists():
            outcomes["all"] = "not run: there is no compute-sanitizer here, or no card"
            return
        deadline = time.perf_counter() + self.limit("sanitizer")
        for tool in TOOLS:
            say(f"sanitizer: {tool}")
            command = [program, "--tool", tool, "--error-exitcode", str(FOUND)]
            seconds = max(1.0, deadline - time.perf_counter())
            status, out, err = run([*command, *self.child("--smallest")], seconds)
            last = [line for line in out.splitlines() if line.startswith("=========")][-12:]
            outcomes[tool] = (
                "clean" if not status else {"outcome": ending(status, err), "said": last}
            )

    def failed(self) -> bool:
        """Whether a case, a wrapper or the demo failed, or a sanitizer found something."""
        cases = any(row["failures"] for row in self.report.get("cases", ()))
        demo = self.report.get("demo", {}).get("status", "passed") != "passed"
        tools = any(
            isinstance(found, dict) and f"status {FOUND}" in found["outcome"]
            for found in self.report.get("sanitizer", {}).values()
        )
        wrappers = bool(self.report.get("wrappers", {}).get("failures"))
        return cases or wrappers or demo or tools

    def card(self) -> str:
        """The card, in the form that file names have."""
        return str(self.report.get("card", self.args.device)).lower().replace(" ", "-")

    def write(self) -> Path:
        """The report as a file; its path."""
        self.args.out.mkdir(parents=True, exist_ok=True)
        path: Path = self.args.out / f"gpu-check-{self.card()}-{self.report['date']}.json"
        path.write_text(json.dumps(self.report, indent=1) + "\n")
        return path


def run(command: list[str], seconds: float) -> tuple[int, str, str]:
    """Exit status (-1 after `seconds`), output and errors of a command."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        out = late.stdout or b""
        return -1, out.decode(errors="replace") if isinstance(out, bytes) else out, ""
    return done.returncode, done.stdout, done.stderr


def ending(status: int, err: str) -> str:
    """How a process ended, in a line."""
    if status == -1:
        return "stopped: out of time"
    return f"status {status}: {' | '.join(err.strip().splitlines()[-3:])}"


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="check all kernels on a card")
    parser.add_argument("--device", default="cuda", help="cuda, or emu for a dry run")
    parser.add_argument("--minutes", type=float, default=8.5, help="that all stages may take")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--families", nargs="+", default=[], help="only these families of kernels")
    parser.add_argument("--smallest", action="store_true", help="only the smallest case of each")
    parser.add_argument("--steps", type=int, default=0, help="of the demo; 0: all")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--wrappers", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run the stages; 1 if something failed."""
    args = arguments()
    if args.child:
        rows = (
            run_wrappers(args.device, args.wrappers)
            if args.wrappers
            else run_cases(args.device, args.families, args.smallest)
        )
        for row in rows:
            print(json.dumps(row), flush=True)
        return 0
    check = Check(args)
    check.facts()
    for stage in STAGES:
        if stage in args.stages:
            getattr(check, stage)()
    path = check.write()
    total = sum(row.get("cases", 0) for row in check.report.get("cases", ()))
    passed = sum(row.get("passed", 0) for row in check.report.get("cases", ()))
    demo = check.report.get("demo", {}).get("status")
    say(f"{passed} of {total} cases pass; demo: {demo}; {path}")
    return int(check.failed())


if __name__ == "__main__":
    sys.exit(main())
