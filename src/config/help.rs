//! The text of `deploylog --help`.

pub const HELP: &str = "\
deploylog records deploys and measures how long each one takes.

usage: deploylog [COMMAND] [FLAGS]

Without a command, deploylog runs the service. If no database is set, it runs a
private PostgreSQL, for which the PostgreSQL server must be installed.

commands
  migrate        bring the database schema up to date, then exit
  token create NAME --scope read|write|admin [--component PATTERN] [--expires WHEN]
                 create an API token and print it once. read: read everything;
                 write: POST only; admin: full access. PATTERN limits the
                 components that the token can write; * matches any text. WHEN is
                 a number of days such as 90d, or an RFC 3339 time
  token list     list all tokens with the time of their last use
  token revoke NAME
                 revoke a token; every process rejects it within 5 seconds
  backup FILE    write a consistent snapshot of all data to a new file
                 (-: standard output)
  restore FILE   load a backup (-: standard input) into an empty database,
                 completely or not at all
  healthcheck    check whether the service on --listen is ready: exits with 0 or 1
  load           send load to a service and measure it: see deploylog load --help

flags, each with its environment variable and [default]; a flag overrides its variable
  --listen ADDRESS       DEPLOYLOG_LISTEN             [127.0.0.1:5000]
  --open                 DEPLOYLOG_OPEN=true          start on any address without a
                         token: everyone has full access until one is created
  --public-reads         DEPLOYLOG_PUBLIC_READS=true  allow reads without a token
  --database-url URL     DATABASE_URL                 [none: a private PostgreSQL]
                         or DATABASE_URL_FILE, a file that contains the URL:
                         postgres://user:password@host:5432/name or
                         'host=a,b user=x dbname=y target_session_attrs=read-write';
                         for TLS sslmode=verify-full, sslrootcert=/etc/ca.pem
  --data-dir DIR         DEPLOYLOG_DATA_DIR           [/var/lib/deploylog for root, else
                         $XDG_DATA_HOME/deploylog or ~/.local/share/deploylog]
  --keep-days N          DEPLOYLOG_KEEP_DAYS          [keep records indefinitely]
                         delete records older than N days
  --pool-size N          DEPLOYLOG_POOL_SIZE          [10] database connections: a third
                         each for lists and reports, for changes, and for look-ups
  --pool-timeout S       DEPLOYLOG_POOL_TIMEOUT       [2] wait for a connection, then 503
  --connect-timeout S    DEPLOYLOG_CONNECT_TIMEOUT    [2] connect to the database
  --statement-timeout S  DEPLOYLOG_STATEMENT_TIMEOUT  [5] run a list or report, then 503;
                         fixed: 3 s for a look-up or a write, 30 s for an import
  --max-connections N    DEPLOYLOG_MAX_CONNECTIONS    [10000] further clients wait
  --max-connections-per-address N
                         DEPLOYLOG_MAX_CONNECTIONS_PER_ADDRESS
                                                      [90% of them] then 429
  --max-event-readers N  DEPLOYLOG_MAX_EVENT_READERS  [80% of them] event subscribers,
                         then 503
  --max-body-memory MIB  DEPLOYLOG_MAX_BODY_MEMORY    [64] all bodies together, then 503
  --header-timeout S     DEPLOYLOG_HEADER_TIMEOUT     [30] also closes idle connections
  --body-timeout S       DEPLOYLOG_BODY_TIMEOUT       [30] receive a body, then 408
  --write-timeout S      DEPLOYLOG_WRITE_TIMEOUT      [30] close a connection whose client
                         reads nothing of a response
  --log-format FORMAT    DEPLOYLOG_LOG_FORMAT         [text] or json
  --log-level LEVEL      DEPLOYLOG_LOG_LEVEL          [info] off error warn info debug trace
  -h, --help
  -V, --version

S is a number of seconds such as 2 or 0.5.

exit codes
  0   SIGTERM or SIGINT stopped the service, or the command succeeded
  1   a failure; healthcheck: the service is not ready
  64  invalid flags or variables, all of which are reported; or no token exists and
      the address is not a loopback address
  69  the database cannot be used: no PostgreSQL server is installed, the data
      directory is in use or not accessible, the server's certificate cannot be
      verified, or the schema is newer than this program
";
