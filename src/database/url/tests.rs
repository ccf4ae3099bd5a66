use super::{Endpoint, Host, SslMode, cut_tls_options};

/// The text without the TLS options, `sslmode` and `sslrootcert`.
fn cut(text: &str) -> (String, Option<String>, Option<String>) {
    let (rest, mut options) = cut_tls_options(text);
    (rest, options.remove("sslmode"), options.remove("sslrootcert"))
}

fn parse(text: &str) -> Result<Endpoint, String> {
    Endpoint::parse(text, &|name| (name == "HOME").then(|| "/nowhere".into()))
}

#[test]
fn a_url_of_another_database_is_refused_with_the_right_beginning() {
    for text in ["mysql://ann:s3cret@db/log", "mysql://db/log?tls=true", "db", ""] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with("DATABASE_URL must be ") && error.contains("postgres://"), "{text}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(parse("host=a password=x://y").is_ok());
}

#[test]
fn tls_options_are_cut_out_of_a_url_and_decoded() {
    for (text, rest, mode, root) in [
        ("postgres://ann@a/log", "postgres://ann@a/log", None, None),
        ("postgres://ann@a/log?sslmode=verify-ca", "postgres://ann@a/log?", Some("verify-ca"), None),
        (
            "postgresql://a?sslmode=verify-full&user=ann&sslrootcert=%2Fetc%2Fmy%20ca%26b%3D%3F.pem&port=1",
            "postgresql://a?user=ann&port=1",
            Some("verify-full"),
            Some("/etc/my ca&b=?.pem"),
        ),
        // The last of several counts, a key can be encoded, a + is not a space, and a value can contain = and ?.
        ("postgres://a/?sslmode=disable&ssl%6dode=require", "postgres://a/?", Some("require"), None),
        ("postgres://a/?sslrootcert=/a+b=?c", "postgres://a/?", None, Some("/a+b=?c")),
        ("postgres://a/?sslrootcert=", "postgres://a/?", None, Some("")),
        // A database, a password or another value can look like one.
        ("postgres://a/sslmode=x", "postgres://a/sslmode=x", None, None),
        ("postgres://ann:?sslmode=x@a/", "postgres://ann:?sslmode=x@a/", None, None),
        ("postgres://ann:p?w@a/?sslmode=x", "postgres://ann:p?w@a/?", Some("x"), None),
        ("postgres://a/?options=sslmode=x", "postgres://a/?options=sslmode=x", None, None),
        ("postgres://a/?SSLMODE=x&xsslmode=y", "postgres://a/?SSLMODE=x&xsslmode=y", None, None),
        // tokio-postgres rejects these.
        ("postgres://a/?sslmode", "postgres://a/?sslmode", None, None),
        ("postgres://a/?user=ann&sslmode", "postgres://a/?user=ann&sslmode", None, None),
        ("postgres://a/?user=%ff&sslmode=x", "postgres://a/?user=%ff&", Some("x"), None),
    ] {
        let (found, found_mode, found_root) = cut(text);
        assert_eq!((found.as_str(), found_mode.as_deref(), found_root.as_deref()), (rest, mode, root), "{text}");
    }
}

#[test]
fn tls_options_are_cut_out_of_key_value_pairs_and_unquoted() {
    for (text, rest, mode, root) in [
        ("host=a user=ann", "host=a user=ann", None, None),
        ("host=a sslmode=verify-ca user=ann", "host=a  user=ann", Some("verify-ca"), None),
        ("sslmode = 'require'host=a", " host=a", Some("require"), None),
        ("host='a'sslmode=require", "host='a' ", Some("require"), None),
        (r"host=a sslrootcert='/etc/my ca\'s\\.pem'", "host=a ", None, Some(r"/etc/my ca's\.pem")),
        (r"sslrootcert=/etc/my\ ca.pem host=a", "  host=a", None, Some("/etc/my ca.pem")),
        ("sslmode=disable\tsslmode=require host=a", "   host=a", Some("require"), None),
        ("host=a sslrootcert=''", "host=a ", None, Some("")),
        // Another value can look like one.
        ("host=a password='x sslmode=y'", "host=a password='x sslmode=y'", None, None),
        (r"host=a password='x\' sslmode=y' sslmode=z", r"host=a password='x\' sslmode=y' ", Some("z"), None),
        (r"password=x\ sslmode=y host=a", r"password=x\ sslmode=y host=a", None, None),
        // What is not a pair stays, with the text after it.
        ("host=a sslrootcert='/etc", "host=a sslrootcert='/etc", None, None),
        ("host=a sslmode sslmode=x", "host=a sslmode sslmode=x", None, None),
        ("host=a sslmode", "host=a sslmode", None, None),
    ] {
        let (found, found_mode, found_root) = cut(text);
        assert_eq!((found.trim(), found_mode.as_deref(), found_root.as_deref()), (rest.trim(), mode, root), "{text}");
    }
}

#[test]
fn tls_options_change_no_other_option() {
    for text in ["postgres://ann:s%20t@a:1,b:2/log?connect_timeout=3", "host=a,b port=1,2 user=ann password='s t'"] {
        let with = format!("{text}{}sslmode=disable", if text.contains('?') { "&" } else { " " });
        assert_eq!(parse(&with).unwrap().config, parse(text).unwrap().config.ssl_mode(SslMode::Disable).clone());
    }
}

#[test]
fn the_default_mode_is_prefer_and_unix_sockets_use_no_tls() {
    let mode = |text| parse(text).unwrap().config.get_ssl_mode();
    assert_eq!(mode("host=a"), SslMode::Prefer);
    assert_eq!(mode("host=a sslmode=disable sslrootcert=/nowhere"), SslMode::Disable);
    for socket in ["host=/run sslmode=verify-full", "postgres://%2Frun/log?sslmode=require", "host=/run"] {
        let endpoint = parse(socket).unwrap();
        assert_eq!(endpoint.config.get_hosts(), [Host::Unix("/run".into())]);
        assert_eq!(endpoint.config.get_ssl_mode(), SslMode::Disable);
        assert!(endpoint.tls.is_none());
    }
}

#[test]
fn invalid_options_are_reported_without_their_values() {
    for (text, words) in [
        ("postgres://", "must name a host"),
        ("sslmode=require", "must name a host"),
        ("host=a sslmode=s3cret", "sslmode must be disable, prefer, require, verify-ca or verify-full"),
        ("host=a sslmode=allow", "sslmode must be disable"),
        ("host=a sslmode=''", "sslmode must be disable"),
        ("host=a sslcert=/s3cret", "unknown option `sslcert`"),
        ("host=a sslkey=/s3cret", "unknown option `sslkey`"),
        ("postgres://a/?sslpassword=s3cret", "unknown option `sslpassword`"),
        ("host=a sslnegotiation=direct", "needs sslmode=require"),
        ("host=a sslmode=require sslrootcert=system", "needs sslmode=verify-full"),
    ] {
        let sentence = parse(text).unwrap_err();
        assert!(sentence.starts_with("DATABASE_URL") && sentence.contains(words), "{text}: {sentence}");
        assert!(!sentence.contains("s3cret"), "{sentence}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_rejects_modes_that_require_it() {
    assert!(parse("host=a").unwrap().tls.is_none());
    for mode in ["require", "verify-ca", "verify-full"] {
        let sentence = parse(&format!("host=a sslmode={mode} sslrootcert=/etc/ca.pem")).unwrap_err();
        assert!(sentence.contains("with the feature tls"), "{sentence}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn an_unusable_sslrootcert_is_reported() {
    let directory = std::env::temp_dir().join(format!("deploylog-roots-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let file = |name: &str, content: &str| {
        std::fs::write(directory.join(name), content).unwrap();
        directory.join(name).display().to_string()
    };
    let none = file("none.pem", "no certificate\n");
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    let empty = file("empty.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let cases = [
        (
            "host=a sslmode=require sslrootcert=/nowhere.pem".to_owned(),
            "cannot be read: /nowhere.pem: I/O error: No such file",
        ),
        ("host=a sslrootcert=/nowhere.pem".to_owned(), "cannot be read: /nowhere.pem: I/O error: No such file"),
        ("host=a sslmode=verify-ca".to_owned(), "~/.postgresql/root.crt does not exist"),
        (format!("host=a sslmode=verify-ca sslrootcert={none}"), "contains no usable CA certificate"),
        (format!("host=a sslmode=verify-ca sslrootcert={broken}"), "cannot be read"),
        (format!("host=a sslmode=verify-ca sslrootcert={empty}"), "contains no usable CA certificate"),
    ];
    let errors = cases.map(|(text, words)| (parse(&text).unwrap_err(), words));
    let environment = |name: &str| (name == "SSL_CERT_FILE").then(|| none.clone().into());
    let system = Endpoint::parse("host=a sslrootcert=system", &environment).unwrap_err();
    std::fs::remove_dir_all(&directory).unwrap();
    for (sentence, words) in errors {
        assert!(sentence.starts_with("DATABASE_URL's ssl") && sentence.contains(words), "{sentence}");
    }
    assert!(system.contains(&none), "{system}");
}
