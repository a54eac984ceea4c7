"""How AWS behaves beyond its models, compared with the code: the error codes of throttling, and the parameters of a stack's update."""

import yaml
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from iam import INFRA
from templates import Loader

CLASSIFY = INFRA.parent / "shared" / "aws" / "src" / "classify.rs"
# The templates of Flotilla's own stacks, by the end of the stack's name.
OWN = {"-control-plane": "control-plane.yaml", "-account": "account.yaml", "-regional": "regional.yaml"}


def check():
    """Prints the retryable error codes that the code does not tell apart; answers the numbers of passed and failed checks."""
    source = CLASSIFY.read_text()
    codes = [*ThrottledRetryableChecker._THROTTLED_ERROR_CODES, *TransientRetryableChecker._TRANSIENT_ERROR_CODES]
    unknown = [code for code in codes if f'"{code}"' not in source]
    for code in unknown:
        print(f"failed: {code}, which AWS's SDKs retry, is not in {CLASSIFY.name}")
    return len(codes) - len(unknown), len(unknown)


def resets(operation, parameters):
    """The parameters of a stack of Flotilla that an update leaves out: CloudFormation would set them to the template's default."""
    name = parameters.get("StackName", "")
    template = next((file for end, file in OWN.items() if name.endswith(end)), None)
    if operation != "UpdateStack" or template is None:
        return []
    declared = yaml.load((INFRA / template).read_text(), Loader)["Parameters"]
    given = {parameter["ParameterKey"] for parameter in parameters.get("Parameters", [])}
    return sorted(set(declared) - given)
