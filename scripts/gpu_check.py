"""All kernels on a real card, in one command: `make gpu-check`.

Stages, the most telling first, each within its share of the time:

  cases      every case of every spec on the card, against float64; a process for each family, so
             that a lost context costs one family
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
STAGES = ("cases", "demo", "sanitizer")
SHARES = {"cases": 0.5, "demo": 0.15, "sanitizer": 0.35}  # of the minutes
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
        """Whether a case or the demo failed, or a sanitizer found something."""
        cases = any(row["failures"] for row in self.report.get("cases", ()))
        demo = self.report.get("demo", {}).get("status", "passed") != "passed"
        tools = any(
            isinstance(found, dict) and f"status {FOUND}" in found["outcome"]
            for found in self.report.get("sanitizer", {}).values()
        )
        return cases or demo or tools

    def write(self) -> Path:
        """The report as a file; its path."""
        card = self.report.get("card", self.args.device).lower().replace(" ", "-")
        self.args.out.mkdir(parents=True, exist_ok=True)
        path: Path = self.args.out / f"gpu-check-{card}-{self.report['date']}.json"
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
    return parser.parse_args()


def main() -> int:
    """Run the stages; 1 if something failed."""
    args = arguments()
    if args.child:
        for row in run_cases(args.device, args.families, args.smallest):
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
