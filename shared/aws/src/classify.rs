//! Classifies errors of the SDK. All AWS error codes that Flotilla distinguishes are here.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use flotilla_engine::ports::{ErrorKind, PortError};
use std::error::Error;

/// Classifies an error of the SDK.
pub fn classify<E: ProvideErrorMetadata + Error + 'static>(
    operation: &'static str,
    error: SdkError<E, Response>,
) -> PortError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let Some(service) = error.as_service_error() else {
        // No readable response: a timeout, a lost connection, no credentials at the moment.
        return unanswered(operation, &error);
    };
    let message = service.message().unwrap_or("no message");
    match service.code() {
        Some(code) => PortError::new(kind(code, message, status), operation, format!("{code}: {message}")),
        // The response to a HEAD request has no body with an error code.
        None => {
            let status = status.unwrap_or_default();
            PortError::new(kind("", message, Some(status)), operation, format!("HTTP status {status}"))
        }
    }
}

/// Classifies a missing response. A role that cannot be assumed appears as a failure to load credentials, with
/// STS's refusal among its causes. Waiting does not fix it.
fn unanswered<E: Error + 'static>(operation: &'static str, error: &SdkError<E, Response>) -> PortError {
    let mut causes = std::iter::successors(Error::source(error), |cause| Error::source(*cause));
    if let Some(refusal) = causes.find_map(|cause| cause.downcast_ref::<ErrorMetadata>())
        && refusal.code() == Some("AccessDenied")
    {
        let message = format!("AccessDenied: {}", refusal.message().unwrap_or("no message"));
        return PortError::new(ErrorKind::Denied, "sts:AssumeRole", message);
    }
    let kind = match error {
        SdkError::ConstructionFailure(_) => ErrorKind::Permanent,
        _ => ErrorKind::Transient,
    };
    PortError::new(kind, operation, with_sources(error))
}

/// Classifies an error code without an HTTP status, as for one object of a batch.
pub fn kind_of(code: &str, message: &str) -> ErrorKind {
    kind(code, message, None)
}

/// Classifies an error code. `LimitExceededException` is a quota here, although the SDK retries it like
/// throttling: waiting does not raise a quota.
fn kind(code: &str, message: &str, status: Option<u16>) -> ErrorKind {
    match code {
        "Throttling"
        | "KMSThrottling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "BandwidthLimitExceeded"
        | "EC2ThrottledException"
        | "SlowDown"
        | "PriorRequestNotComplete" => ErrorKind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AllAccessDisabled"
        | "AuthorizationError"
        | "KMSAccessDenied"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => ErrorKind::Denied,
        // A role that was just created, or expired credentials of a container that was frozen.
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => ErrorKind::Transient,
        "LimitExceededException" | "LimitExceeded" | "ServiceQuotaExceededException" => ErrorKind::Quota,
        "NoSuchKey"
        | "NoSuchVersion"
        | "NoSuchBucket"
        | "NotFound"
        | "ResourceNotFoundException"
        | "RepositoryNotFoundException"
        // A failure of BatchGetImage.
        | "ImageNotFound"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "QueueDoesNotExist" => ErrorKind::Missing,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        // The first attempt of the same transaction has not ended.
        | "TransactionInProgressException"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        // A function that is being created or updated.
        | "ResourceConflictException"
        // API Gateway changes one thing of a domain after the other ("Unable to complete operation due to concurrent modification").
        | "ConflictException"
        // Another invocation stores the same image.
        | "UploadNotFoundException"
        // A part arrived twice, because its answer was lost: the next attempt begins another upload.
        | "InvalidLayerPartException"
        | "LayersNotFoundException"
        | "ServiceException" => ErrorKind::Transient,
        // CloudFormation also reports throttling as a validation error with this text.
        "ValidationError" if message.contains("Rate exceeded") => ErrorKind::Throttled,
        "BadRequestException" if message.contains("concurrent modification") => ErrorKind::Transient,
        // Another actor's operation began between observation and call: the same call may succeed later.
        "ValidationError" if message.contains("_IN_PROGRESS state") => ErrorKind::Transient,
        _ => match status {
            Some(404) => ErrorKind::Missing,
            Some(403) => ErrorKind::Denied,
            Some(429) => ErrorKind::Throttled,
            Some(status) if status >= 500 => ErrorKind::Transient,
            // S3 responds to a failed copy with 200 and an error in the body, often without a known code.
            Some(200..=299) => ErrorKind::Transient,
            _ => ErrorKind::Permanent,
        },
    }
}

/// Whether an error means that there is no such stack. CloudFormation has no code for it.
pub fn says_no_stack(error: &PortError) -> bool {
    error.message.starts_with("ValidationError") && error.message.contains("does not exist")
}

/// Whether an error means that an operation with this token has begun before.
pub fn says_begun(error: &PortError) -> bool {
    error.message.starts_with("TokenAlreadyExists")
}

/// An error with its causes in one line.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_a_domain_at_the_same_time_are_made_again() {
        let text = "Unable to complete operation due to concurrent modification. Please try again later.";
        assert_eq!(kind("ConflictException", text, Some(409)), ErrorKind::Transient);
        assert_eq!(kind("BadRequestException", text, Some(400)), ErrorKind::Transient);
        assert_eq!(
            kind("BadRequestException", "Invalid stage identifier specified", Some(400)),
            ErrorKind::Permanent
        );
    }

    #[test]
    fn c21_c22_throttling_is_told_from_a_quota() {
        assert_eq!(kind("Throttling", "Rate exceeded", Some(400)), ErrorKind::Throttled);
        assert_eq!(kind("ValidationError", "Rate exceeded for operation", Some(400)), ErrorKind::Throttled);
        assert_eq!(
            kind("ValidationError", "Stack:x is in UPDATE_IN_PROGRESS state and can not be updated.", None),
            ErrorKind::Transient
        );
        assert_eq!(kind("LimitExceededException", "ChangeSet limit exceeded", Some(400)), ErrorKind::Quota);
    }

    #[test]
    fn what_is_not_known_is_told_by_its_status() {
        assert_eq!(kind("Whatever", "", Some(500)), ErrorKind::Transient);
        assert_eq!(kind("Whatever", "", Some(403)), ErrorKind::Denied);
        assert_eq!(kind("Whatever", "", Some(400)), ErrorKind::Permanent);
        assert_eq!(kind("", "", Some(404)), ErrorKind::Missing);
        assert_eq!(kind("", "", Some(200)), ErrorKind::Transient, "s08");
    }
}
