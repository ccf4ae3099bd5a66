//! `--help`.

/// What `--help` prints.
pub const HELP: &str = "\
deploylog records deploys and measures the time each takes.

usage: deploylog [COMMAND] [FLAGS]

Without a command it serves. Where no database is named it runs a PostgreSQL of
its own, for which the server's binaries must be installed.

commands
  migrate        bring the database's schema up to date, and end
  token create NAME --scope read|write|admin [--component PATTERN] [--expires WHEN]
                 make a token and print it, this once. read: whatever only reads;
                 write: POST, and nothing else; admin: everything. PATTERN, in which *
                 stands for any text, bounds the components that may be written. WHEN
                 is a number of days such as 90d, or an RFC 3339 time
  token list     show all tokens, and when each was last used
  token revoke NAME
                 let a token count no more: within 5 seconds, everywhere
  backup FILE    write everything, as of one moment, to a new file (-: standard output)
  restore FILE   read all of it (-: standard input) into an empty database, or nothing
  healthcheck    ask the service on --listen whether it is ready: exit 0 or 1
  load           send load to a service and measure it: see deploylog load --help

flags, each with the environment variable that does the same (the flag wins)
  --listen ADDRESS       DEPLOYLOG_LISTEN             [127.0.0.1:5000]
  --open                 DEPLOYLOG_OPEN=true          start without a token on any address:
                         until the first one is made everybody may do everything
  --public-reads         DEPLOYLOG_PUBLIC_READS=true  reads need no token
  --database-url URL     DATABASE_URL                 [none: an own PostgreSQL]
                         or DATABASE_URL_FILE, a file that holds it.
                         postgres://user:password@host:5432/name, or
                         'host=a,b user=x dbname=y target_session_attrs=read-write';
                         for TLS sslmode=verify-full, sslrootcert=/etc/ca.pem
  --data-dir DIR         DEPLOYLOG_DATA_DIR           [/var/lib/deploylog as root, else
                         $XDG_DATA_HOME/deploylog or ~/.local/share/deploylog]
  --keep-days N          DEPLOYLOG_KEEP_DAYS          [for ever] then old records go
  --pool-size N          DEPLOYLOG_POOL_SIZE          [10] a third of them for lists
                         and reports, a third for changes
  --pool-timeout S       DEPLOYLOG_POOL_TIMEOUT       [2] wait for a connection: then 503
  --connect-timeout S    DEPLOYLOG_CONNECT_TIMEOUT    [2]
  --statement-timeout S  DEPLOYLOG_STATEMENT_TIMEOUT  [5] for a list or a report,
                         then 503; a look-up or a write may take 3 s, an import 30 s
  --max-connections N    DEPLOYLOG_MAX_CONNECTIONS    [10000] further ones wait
  --max-connections-per-address N
                         DEPLOYLOG_MAX_CONNECTIONS_PER_ADDRESS
                                                      [nine tenths of them] then 429
  --max-event-readers N  DEPLOYLOG_MAX_EVENT_READERS  [four fifths of them] then 503
  --max-body-memory MIB  DEPLOYLOG_MAX_BODY_MEMORY    [64] all bodies together: then 503
  --header-timeout S     DEPLOYLOG_HEADER_TIMEOUT     [30] also ends idle connections
  --body-timeout S       DEPLOYLOG_BODY_TIMEOUT       [30] then 408
  --write-timeout S      DEPLOYLOG_WRITE_TIMEOUT      [30] for a reader that takes nothing
  --log-format FORMAT    DEPLOYLOG_LOG_FORMAT         [text] or json
  --log-level LEVEL      DEPLOYLOG_LOG_LEVEL          [info] off error warn info debug trace
  -h, --help             -V, --version

S is seconds, with a fraction if need be.

exit codes
  0   stopped by SIGTERM or SIGINT, or the command is done
  1   a failure while running; healthcheck: not ready
  64  a wrong flag or variable: all of them are named; or there is no token, and
      the address is not loopback
  69  no database: no server binaries, a data directory that is in use or out of
      reach, a server that is not believed, or a schema newer than this program
";
