//! Finds PostgreSQL's programs.

use std::{
    env, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::account::{Account, search_path};
use crate::error::Cause;

const SUPPORTED: RangeInclusive<u32> = 14..=18;
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// Where packages install programs outside `PATH`: `bin` in the subdirectories that start with a prefix.
const PACKAGES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),                      // Debian
    ("/usr", "pgsql-"),                               // Fedora, from postgresql.org
    ("/opt/homebrew/opt", "postgresql"),              // Homebrew
    ("/usr/local/opt", "postgresql"),                 // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql"), // Homebrew on Linux
];

/// Returns the directory of the programs: of the major version that created the cluster, else of the newest supported.
pub async fn find(created_by: Option<u32>, account: &Account) -> Result<PathBuf, Cause> {
    if let Some(major) = created_by.filter(|major| !SUPPORTED.contains(major)) {
        return Err(format!(
            "PostgreSQL {major} created the data directory, but deploylog supports {} to {}: move the records with \
             pg_dump, or set DATABASE_URL to another PostgreSQL",
            SUPPORTED.start(),
            SUPPORTED.end()
        )
        .into());
    }
    let mut found = Vec::new();
    for directory in candidates(account).await {
        if let Some(major) = major_in(&directory, account).await {
            found.push((major, directory));
        }
    }
    choose(found, created_by).ok_or_else(|| missing(created_by).into())
}

async fn candidates(account: &Account) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = env::split_paths(&search_path()).collect();
    if let Ok(output) = account.command("pg_config").arg("--bindir").output().await {
        directories.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    for (parent, prefix) in PACKAGES {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let packages = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        directories.extend(packages.map(|package| package.path().join("bin")));
    }
    directories
}

/// The major version of a directory with all programs that the account can run.
async fn major_in(directory: &Path, account: &Account) -> Option<u32> {
    if !PROGRAMS.iter().all(|program| directory.join(program).is_file()) {
        return None;
    }
    let output = account.command(directory.join("postgres")).arg("--version").output().await.ok()?;
    major_of(&String::from_utf8_lossy(&output.stdout))
}

/// Reads `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`, `… 18beta1`, or a cluster's `PG_VERSION`.
pub fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns the first of several directories with the same major version.
fn choose(found: Vec<(u32, PathBuf)>, created_by: Option<u32>) -> Option<PathBuf> {
    let is_usable = |major: &u32| created_by.map_or(SUPPORTED.contains(major), |wanted| *major == wanted);
    let usable = found.into_iter().rev().filter(|(major, _)| is_usable(major));
    usable.max_by_key(|(major, _)| *major).map(|(_, directory)| directory)
}

fn missing(created_by: Option<u32>) -> String {
    let problem = match created_by {
        Some(major) => format!("PostgreSQL {major} created the data directory, but its server was not found"),
        None => format!("no PostgreSQL server ({} to {}) was found", SUPPORTED.start(), SUPPORTED.end()),
    };
    let major = |prefix: &str| created_by.map_or_else(String::new, |major| format!("{prefix}{major}"));
    format!(
        "{problem}: install it (Debian, Ubuntu: apt-get install --no-install-recommends postgresql{}; \
         Fedora: dnf install postgresql{}-server; macOS: brew install postgresql@{}), \
         or set DATABASE_URL to another PostgreSQL",
        major("-"),
        major(""),
        created_by.unwrap_or(17)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(majors: &[u32], created_by: Option<u32>) -> Option<String> {
        let found = majors.iter().enumerate().map(|(at, major)| (*major, format!("{at}").into())).collect();
        choose(found, created_by).map(|directory| directory.display().to_string())
    }

    #[test]
    fn a_new_cluster_gets_the_newest_supported_major() {
        assert_eq!(chosen(&[13, 15, 17, 16, 19], None).as_deref(), Some("2"));
        assert_eq!(chosen(&[13, 19], None), None);
    }

    #[test]
    fn an_existing_cluster_runs_with_the_version_that_created_it() {
        assert_eq!(chosen(&[17, 15], Some(15)).as_deref(), Some("1"));
        assert_eq!(chosen(&[17, 15], Some(16)), None);
    }

    #[test]
    fn the_first_directory_wins_among_equal_majors() {
        assert_eq!(chosen(&[15, 17, 17], None).as_deref(), Some("1"));
    }

    #[test]
    fn majors_are_read_from_version_texts() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("14\n"), Some(14));
        assert_eq!(major_of("9.6.24"), Some(9));
        assert_eq!(major_of("postgres: not found"), None);
    }

    #[test]
    fn a_missing_server_names_the_install_command_and_the_alternative() {
        for message in [missing(None), missing(Some(16))] {
            assert!(message.contains("apt-get install") && message.contains("DATABASE_URL"), "{message}");
        }
        assert!(missing(Some(16)).contains("postgresql-16"));
    }
}
