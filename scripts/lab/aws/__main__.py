"""Checks recorded AWS calls: against the models of the AWS services, and as IAM evaluates them.

  scripts/aws-calls FOLDER...     the folders that FLOTILLA_CALLS named while the calls were made
  scripts/aws-calls --self-test   checks calls that AWS refuses
  scripts/aws-calls --templates     checks quotas, and what CloudFormation may do for stacks; with --write, makes docs/resource-types.md

Lists the operations that the code makes and no call was recorded of, and the permissions that no call has used. Ends with: N passed, N
failed, where N counts the operations by their callers.
"""

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

import coverage
import escapes
import integrations
import manners
import quotas
import regex
from botocore import xform_name
from iam import ADMINISTRATORS, BEYOND_STORIES, Installation, Unmapped, chosen, unused
from models import refused
from self_test import self_test
from wire import OWN, SERVICES, Unreadable, load, read

ROOT = Path(__file__).resolve().parents[3]
# Where the code calls the SDK.
SOURCES = ["shared/aws/src", "scripts/flotilla/src"]


def called_by_the_code():
    """The operations of the SDK that the sources name: `.put_object()` calls PutObject."""
    found = defaultdict(set)
    operations = {s: {xform_name(op): op for op in load(s).operation_names} for s in SERVICES.values()}
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.rs"):
            text = path.read_text()
            for service, names in operations.items():
                if f"aws_sdk_{service}" in text:
                    for name in regex.findall(r"\.(\w+)\(\)", text):
                        if name in names:
                            found[f"{service}:{names[name]}"].add(str(path.relative_to(ROOT)))
    return found


class Report:
    """What was found, each violation once."""

    def __init__(self):
        self.calls, self.violations = Counter(), {}

    def refuse(self, made, text, file):
        self.violations.setdefault((*made, regex.sub(r"\[\d+\]", "[]", text)), file)

    def read(self, path):
        """The calls of a file, each with its operation and parameters; what cannot be read is a violation."""
        for line in path.open():
            call = json.loads(line)
            if call["service"] in OWN:
                continue
            made = (call["caller"], call["service"], "?")
            try:
                if call["service"] not in SERVICES:
                    raise Unreadable(f"{call['service']} is no service that Flotilla calls")
                call["parsed"] = read(load(SERVICES[call["service"]]), call)
            except (Unreadable, ValueError, ElementTree.ParseError) as error:
                self.calls[made] += 1
                self.refuse(made, str(error), path.name)
                continue
            self.calls[made_by(call)] += 1
            yield call


def made_by(call):
    return call["caller"], SERVICES[call["service"]], call["parsed"][0].name


def check_templates(write):
    checks = [coverage.check(write), quotas.check(), manners.check(), integrations.check(), escapes.check()]
    passed, failed = (sum(numbers) for numbers in zip(*checks))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main(folders):
    if folders == ["--self-test"]:
        return self_test()
    if folders[:1] == ["--templates"]:
        return check_templates(write="--write" in folders)
    files = [path for folder in folders for path in sorted(Path(folder).glob("*.jsonl"))]
    if not files:
        sys.exit(f"error: no calls were recorded in {', '.join(folders) or 'no folder'}\nfix:   set FLOTILLA_CALLS for a story")
    report, never_used = Report(), None
    for path in files:
        calls = list(report.read(path))
        for call in calls:
            operation, parameters = call["parsed"]
            for text in refused(operation.input_shape, parameters, operation.name) if operation.input_shape else []:
                report.refuse(made_by(call), text, path.name)
            for name in manners.resets(operation.name, parameters):
                report.refuse(made_by(call), f"the update sets {name} to its default", path.name)
        by_functions = [call for call in calls if call["caller"] not in ADMINISTRATORS]
        # Without an upload there are no roles to find, and nothing but the installation has been called.
        if any(call["caller"] == "ingest" and call["service"] == "s3" for call in by_functions):
            used, installation = set(), Installation(by_functions, chosen(calls))
            # What the emulator has refused too is no news.
            for call in (call for call in by_functions if call["status"] != "403"):
                try:
                    for text in installation.refused(call, used):
                        report.refuse(made_by(call), text, path.name)
                except Unmapped as error:
                    report.refuse(made_by(call), f"the actions of {error} are not known", path.name)
            left = {(regex.sub(r"-\w+-\w+-\d$", "", role), action) for role, action in unused(installation, used)}
            never_used = left if never_used is None else never_used & left
    print("calls  caller      operation")
    for (caller, service, operation), count in sorted(report.calls.items()):
        print(f"{count:5}  {caller:10}  {service}:{operation}")
    recorded = {f"{service}:{operation}" for _, service, operation in report.calls}
    for operation, sources in sorted(called_by_the_code().items()):
        if operation not in recorded:
            print(f"not recorded: {operation}, which {', '.join(sorted(sources))} may call")
    for role, action in sorted(never_used or ()):
        reason = BEYOND_STORIES.get((role.rsplit("-", 1)[-1], action), "nobody has said what needs it")
        print(f"permission not used in a story: {role} {action} ({reason})")
    for (caller, service, operation, text), name in sorted(report.violations.items()):
        print(f"refused: {caller} {service}:{operation}: {text}  ({name})")
    failed = len({made[:3] for made in report.violations})
    print(f"{len(report.calls) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
