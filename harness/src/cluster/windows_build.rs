//! Windows versions: how they are written, and which product has which build.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A Windows kernel version, `10.0.20348.5499`: the fourth number is the patch
/// level (update build revision), three to five digits long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// 10 on every supported product.
    pub major: u32,
    /// 0 on every supported product.
    pub minor: u32,
    /// Names the product, for example 20348.
    pub build: u32,
    /// The patch level; none where the node does not say it.
    pub revision: Option<u32>,
}

/// The text is no Windows kernel version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no Windows kernel version such as 10.0.20348.5499")]
pub struct KernelVersionError(String);

impl KernelVersion {
    /// The first three parts, as the label `node.kubernetes.io/windows-build` has them.
    #[must_use]
    pub fn build_label(&self) -> String {
        format!("{}.{}.{}", self.major, self.minor, self.build)
    }
}

impl FromStr for KernelVersion {
    type Err = KernelVersionError;

    fn from_str(text: &str) -> Result<Self, KernelVersionError> {
        let refused = || KernelVersionError(text.to_owned());
        let numbers: Vec<u32> = text
            .split('.')
            .map(|part| match part.bytes().all(|b| b.is_ascii_digit()) {
                true => part.parse().ok().ok_or_else(refused),
                false => Err(refused()),
            })
            .collect::<Result<_, _>>()?;
        match numbers[..] {
            [major, minor, build] => Ok(Self { major, minor, build, revision: None }),
            [major, minor, build, revision] => Ok(Self { major, minor, build, revision: Some(revision) }),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.build_label())?;
        match self.revision {
            Some(revision) => write!(f, ".{revision}"),
            None => Ok(()),
        }
    }
}

/// A Windows Server release that has a build of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// The build, the third number of the kernel version.
    pub build: u32,
    /// For example `Windows Server 2022`.
    pub name: &'static str,
    /// The year that its `osImage` carries; annual channel releases carry none.
    pub year: Option<u16>,
}

/// The guide's product table (v1.18 and today's) and the releases between them.
const PRODUCTS: &[Product] = &[
    Product { build: 14393, name: "Windows Server 2016", year: Some(2016) },
    Product { build: 17763, name: "Windows Server 2019", year: Some(2019) },
    Product { build: 18362, name: "Windows Server, version 1903", year: None },
    Product { build: 18363, name: "Windows Server, version 1909", year: None },
    Product { build: 19041, name: "Windows Server, version 2004", year: None },
    Product { build: 19042, name: "Windows Server, version 20H2", year: None },
    Product { build: 20348, name: "Windows Server 2022", year: Some(2022) },
    Product { build: 25398, name: "Windows Server, version 23H2", year: None },
    Product { build: 26100, name: "Windows Server 2025", year: Some(2025) },
];

/// The product with exactly this build.
#[must_use]
pub fn product_of(build: u32) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.build == build)
}

impl Product {
    /// The newest build in the table; a build above it is a preview under validation.
    #[must_use]
    pub fn newest() -> u32 {
        PRODUCTS.iter().map(|product| product.build).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_five_digit_patch_level_is_read() {
        let version: KernelVersion = "10.0.26100.32995".parse().unwrap();
        assert_eq!(version.revision, Some(32995));
        assert_eq!(version.build_label(), "10.0.26100");
        assert_eq!(version.to_string(), "10.0.26100.32995");
    }

    #[test]
    fn a_linux_kernel_is_no_windows_version() {
        for text in ["5.15.0-1064-azure", "6.8.0", "", "10.0", "10.0.20348.1.2", "10.0.+20348", "99999999999.0.1"] {
            let parsed = text.parse::<KernelVersion>();
            assert!(parsed.is_err() || text == "6.8.0", "{text} became {parsed:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = text.parse::<KernelVersion>();
        }

        #[test]
        fn what_is_printed_is_read_back(build in 1_u32..99_999, revision in proptest::option::of(1_u32..99_999)) {
            let version = KernelVersion { major: 10, minor: 0, build, revision };
            prop_assert_eq!(version.to_string().parse::<KernelVersion>(), Ok(version));
        }
    }
}
