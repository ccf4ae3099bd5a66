//! `deploylog backup`.

use super::{FAILED, Failure, NO_DATABASE, database::Opened, say};
use crate::{
    backup::{self, BackupError, NewFile, Summary},
    config::Config,
    log,
};

/// Writes everything to a new file, or to standard output.
pub async fn run(config: Config, name: String) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let failure = |error| failure("backed up", &name, &error);
    let mut file = if name == "-" { None } else { Some(NewFile::create(&name).map_err(failure)?) };
    let database = Opened::open(&config).await?;
    let result = database
        .work(async |client| match &mut file {
            Some(file) => backup::write(client, file.file()).await.map_err(failure),
            None => backup::write(client, &mut tokio::io::stdout()).await.map_err(failure),
        })
        .await;
    database.close().await;
    let Summary { records, moment } = result?;
    if let Some(file) = file {
        file.keep().await.map_err(failure)?;
        say(&format!("backed up {} to {name}, as of {moment}\n", counted(records)));
    }
    Ok(())
}

/// Why there is no backup in this file, or nothing of it in the database.
pub fn failure(what: &str, name: &str, error: &BackupError) -> Failure {
    let code = if matches!(error, BackupError::Schema(_)) { NO_DATABASE } else { FAILED };
    let name = if name == "-" { String::new() } else { format!(" ({name})") };
    Failure::new(code, format!("nothing was {what}{name}: {error}"))
}

/// So many records, with commas: `1,000,000 records`.
pub fn counted(records: u64) -> String {
    let digits = records.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + if records == 1 { " record" } else { " records" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn records_are_counted_with_commas() {
        for (records, text) in
            [(0, "0 records"), (1, "1 record"), (999, "999 records"), (1_234_567, "1,234,567 records")]
        {
            assert_eq!(super::counted(records), text);
        }
    }
}
