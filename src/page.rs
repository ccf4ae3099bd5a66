//! The files of the web page, embedded in the binary. No I/O.

use std::sync::LazyLock;

use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The path, media type and source of each file.
const FILES: [(&str, &str, &str); 19] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/page/address.js", SCRIPT, include_str!("page/address.js")),
    ("/page/api.js", SCRIPT, include_str!("page/api.js")),
    ("/page/chart.js", SCRIPT, include_str!("page/chart.js")),
    ("/page/component.js", SCRIPT, include_str!("page/component.js")),
    ("/page/deploy.js", SCRIPT, include_str!("page/deploy.js")),
    ("/page/deploys.js", SCRIPT, include_str!("page/deploys.js")),
    ("/page/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/page/dora.js", SCRIPT, include_str!("page/dora.js")),
    ("/page/environments.js", SCRIPT, include_str!("page/environments.js")),
    ("/page/events.js", SCRIPT, include_str!("page/events.js")),
    ("/page/filters.js", SCRIPT, include_str!("page/filters.js")),
    ("/page/format.js", SCRIPT, include_str!("page/format.js")),
    ("/page/page.js", SCRIPT, include_str!("page/page.js")),
    ("/page/run.js", SCRIPT, include_str!("page/run.js")),
    ("/page/token.js", SCRIPT, include_str!("page/token.js")),
    ("/page/typical.js", SCRIPT, include_str!("page/typical.js")),
];

#[derive(Debug)]
pub struct File {
    /// From the root of the service.
    pub path: &'static str,
    pub content_type: &'static str,
    /// Without the comments and the indentation of the source.
    pub text: Bytes,
    /// A digest of the text.
    pub etag: String,
}

static PAGE: LazyLock<Vec<File>> = LazyLock::new(|| {
    let files = FILES.iter().map(|&(path, content_type, source)| {
        let lines = source.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        let digest: String = Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        File { path, content_type, text: text.into(), etag: format!("\"{digest}\"") }
    });
    files.collect()
});

pub fn find(path: &str) -> Option<&'static File> {
    PAGE.iter().find(|file| file.path == path)
}

#[cfg(test)]
mod tests {
    use super::{FILES, PAGE};

    #[test]
    fn the_page_is_smaller_than_60_450_bytes() {
        let bytes: usize = PAGE.iter().map(|file| file.text.len()).sum();
        assert!(bytes < 60_450, "{bytes}");
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/page")).unwrap();
        let names: Vec<_> = sources.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        for name in names.iter().filter(|name| *name != "index.html") {
            assert!(FILES.iter().any(|(path, ..)| *path == format!("/page/{name}")), "{name}");
        }
        assert_eq!(names.len(), FILES.len());
    }
}
