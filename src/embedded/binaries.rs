//! Finding PostgreSQL's programs.

use std::{
    collections::HashSet,
    env, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::{
    EmbeddedError,
    account::{Account, search_path},
};

const SUPPORTED: RangeInclusive<u32> = 14..=18;
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// Where packages put them beside `PATH`: `bin` in each directory of a parent whose name begins so.
const PLACES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),                      // Debian
    ("/usr", "pgsql-"),                               // Fedora, from postgresql.org
    ("/opt/homebrew/opt", "postgresql"),              // Homebrew
    ("/usr/local/opt", "postgresql"),                 // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql"), // Homebrew on Linux
];

/// The directory of the programs: of the major that the cluster was made with, else the newest supported.
pub async fn find(made_with: Option<u32>, account: &Account) -> Result<PathBuf, EmbeddedError> {
    if let Some(major) = made_with.filter(|major| !SUPPORTED.contains(major)) {
        return Err(EmbeddedError(format!(
            "the data directory was made with PostgreSQL {major}, and deploylog runs {} to {}: \
             move its records with pg_dump, or set DATABASE_URL to a PostgreSQL of your own",
            SUPPORTED.start(),
            SUPPORTED.end()
        )));
    }
    let mut found = Vec::new();
    for directory in places(account).await {
        if let Some(major) = major_in(&directory, account).await {
            found.push((major, directory));
        }
    }
    choose(found, made_with).ok_or_else(|| missing(made_with))
}

async fn places(account: &Account) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = env::split_paths(&search_path()).collect();
    if let Ok(output) = account.command("pg_config").arg("--bindir").output().await {
        places.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    for (parent, beginning) in PLACES {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(beginning) {
                places.push(entry.path().join("bin"));
            }
        }
    }
    let mut seen = HashSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}

/// The major version in a directory that has all programs, and which the account can run.
async fn major_in(directory: &Path, account: &Account) -> Option<u32> {
    if !PROGRAMS.iter().all(|program| directory.join(program).is_file()) {
        return None;
    }
    let output = account.command(directory.join("postgres")).arg("--version").output().await.ok()?;
    major_of(&String::from_utf8_lossy(&output.stdout))
}

/// Reads `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`, `… 18beta1`, and a cluster's `PG_VERSION`.
pub fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

/// Among equals the first found.
fn choose(found: Vec<(u32, PathBuf)>, made_with: Option<u32>) -> Option<PathBuf> {
    found
        .into_iter()
        .rev()
        .filter(|(major, _)| made_with.map_or(SUPPORTED.contains(major), |wanted| *major == wanted))
        .max_by_key(|(major, _)| *major)
        .map(|(_, directory)| directory)
}

fn missing(made_with: Option<u32>) -> EmbeddedError {
    const INSTEAD: &str = "or set DATABASE_URL to a PostgreSQL of your own";
    EmbeddedError(match made_with {
        Some(major) => format!(
            "the data directory was made with PostgreSQL {major}, whose server was not found: install it \
             (Debian, Ubuntu: apt-get install --no-install-recommends postgresql-{major}; \
             Fedora: dnf install postgresql{major}-server; macOS: brew install postgresql@{major}), {INSTEAD}"
        ),
        None => format!(
            "no PostgreSQL server ({} to {}) was found: install one \
             (Debian, Ubuntu: apt-get install --no-install-recommends postgresql; \
             Fedora: dnf install postgresql-server; macOS: brew install postgresql@17), {INSTEAD}",
            SUPPORTED.start(),
            SUPPORTED.end()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(majors: &[u32], made_with: Option<u32>) -> Option<String> {
        let found = majors.iter().enumerate().map(|(at, major)| (*major, format!("{at}").into())).collect();
        choose(found, made_with).map(|directory| directory.display().to_string())
    }

    #[test]
    fn the_newest_supported_major_is_chosen_for_a_new_cluster() {
        assert_eq!(chosen(&[13, 15, 17, 16, 19], None).as_deref(), Some("2"));
        assert_eq!(chosen(&[13, 19], None), None);
    }

    #[test]
    fn the_clusters_own_major_is_chosen_for_an_old_one() {
        assert_eq!(chosen(&[17, 15], Some(15)).as_deref(), Some("1"));
        assert_eq!(chosen(&[17, 15], Some(16)), None);
    }

    #[test]
    fn the_first_found_is_chosen_among_equals() {
        assert_eq!(chosen(&[15, 17, 17], None).as_deref(), Some("1"));
    }

    #[test]
    fn majors_are_read_from_what_postgresql_says_of_itself() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("14\n"), Some(14));
        assert_eq!(major_of("9.6.24"), Some(9));
        assert_eq!(major_of("postgres: not found"), None);
    }

    #[test]
    fn a_missing_server_names_the_install_command_and_the_alternative() {
        for sentence in [missing(None).to_string(), missing(Some(16)).to_string()] {
            assert!(sentence.contains("apt-get install") && sentence.contains("DATABASE_URL"), "{sentence}");
        }
        assert!(missing(Some(16)).to_string().contains("postgresql-16"));
    }
}
