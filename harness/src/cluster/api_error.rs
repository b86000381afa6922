//! An error of the API server's, said once.

use std::{error::Error, fmt};

use kube::core::Status;
use winconform_reports::Chain;

use super::credentials;

/// An error of kube's, without the debug form that kube prints behind its message.
#[derive(Debug)]
pub struct ApiError(kube::Error);

impl ApiError {
    /// What the API server answered, where it did answer.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match &self.0 {
            kube::Error::Api(status) => Some(status),
            _ => None,
        }
    }

    /// The error as kube gave it.
    #[must_use]
    pub fn kube(&self) -> &kube::Error {
        &self.0
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            kube::Error::Api(status) if status.message.is_empty() => {
                write!(f, "the API server answered {} {}", status.code, status.reason)
            }
            kube::Error::Api(status) => write!(f, "{} (HTTP {})", status.message, status.code),
            // kube would print what a credential plugin printed.
            other => match credentials::at_the_bottom_of(other) {
                Some(error) => write!(f, "{error}"),
                None if matches!(other, kube::Error::Service(_) | kube::Error::HyperError(_)) => {
                    write!(f, "the API server gave no answer: {}", Chain(other))
                }
                None => write!(f, "{}", Chain(other)),
            },
        }
    }
}

// The text says the whole chain, so there is no further source.
impl Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_its_message_and_its_code_and_nothing_else() {
        let status = Status::failure("pods is forbidden", "Forbidden").with_code(403);
        let error = ApiError::from(kube::Error::Api(status.boxed()));
        assert_eq!(error.to_string(), "pods is forbidden (HTTP 403)");
    }

    #[test]
    fn a_connection_that_breaks_is_told_as_the_api_servers() {
        let broken = std::io::Error::other("the connection was closed");
        let error = ApiError::from(kube::Error::Service(Box::new(broken)));
        assert!(error.to_string().starts_with("the API server gave no answer: "), "{error}");
        assert!(error.to_string().ends_with("the connection was closed"), "{error}");
    }
}
