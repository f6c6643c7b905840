//! SMTP command lines, parsed (RFC 5321 section 4.1, RFC 1870 SIZE, RFC 6152 BODY, RFC 4954 AUTH).

use super::reply::Reply;

/// Longest command line, CRLF included. RFC 5321 says 512 plus what each extension adds; AUTH alone adds 12 KiB.
pub(super) const LINE_BYTES_MAX: usize = 12_288;

const PATH_BYTES_MAX: usize = 256;

/// A command line that was well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo,
    Helo,
    /// `from` is empty for the null sender `<>`.
    Mail {
        from: String,
        size_bytes: Option<u64>,
    },
    Rcpt {
        to: String,
    },
    Data,
    Rset,
    Noop,
    Vrfy,
    Quit,
    StartTls,
    Auth {
        mechanism: Mechanism,
        initial: Option<String>,
    },
}

/// The ways to authenticate that are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
}

const NO_SUCH_COMMAND: Reply = Reply::new(500, "5.5.2 command not recognised");
const NOT_IMPLEMENTED: Reply = Reply::new(502, "5.5.1 command not implemented");
const BAD_ARGUMENT: Reply = Reply::new(501, "5.5.4 syntax error in arguments");
const BAD_PATH: Reply = Reply::new(501, "5.1.3 bad address syntax");
const NOT_ASCII: Reply = Reply::new(553, "5.6.7 address not ASCII and SMTPUTF8 not offered");
const BAD_PARAMETER: Reply = Reply::new(555, "5.5.4 parameter not recognised");

impl Command {
    /// Parses one line, its CRLF included; the error is the reply to send.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Reply> {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err(Reply::new(500, "5.5.2 a line ends with CRLF"));
        };
        let line = std::str::from_utf8(line).map_err(|_| NO_SUCH_COMMAND)?;
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_matches(' ');
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => named(rest, Self::Ehlo),
            "HELO" => named(rest, Self::Helo),
            "MAIL" => mail(rest),
            "RCPT" => rcpt(rest),
            "DATA" => bare(rest, Self::Data),
            "RSET" => bare(rest, Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => named(rest, Self::Vrfy),
            "QUIT" => bare(rest, Self::Quit),
            "AUTH" => auth(rest),
            "STARTTLS" => bare(rest, Self::StartTls),
            "EXPN" | "HELP" | "BDAT" | "ETRN" => Err(NOT_IMPLEMENTED),
            _ => Err(NO_SUCH_COMMAND),
        }
    }
}

/// `command` if it was given something.
fn named(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.is_empty() {
        Err(BAD_ARGUMENT)
    } else {
        Ok(command)
    }
}

/// `command` if it was given nothing.
fn bare(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(BAD_ARGUMENT)
    }
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let (from, parameters) = path(keyword(rest, "FROM:")?)?;
    let mut size_bytes = None;
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => size_bytes = Some(value.parse().map_err(|_| BAD_ARGUMENT)?),
            "BODY"
                if ["7BIT", "8BITMIME"]
                    .iter()
                    .any(|b| value.eq_ignore_ascii_case(b)) => {}
            "BODY" => return Err(BAD_ARGUMENT),
            // RFC 4954: who first submitted it. Nothing here depends on that.
            "AUTH" => {}
            _ => return Err(BAD_PARAMETER),
        }
    }
    Ok(Command::Mail { from, size_bytes })
}

fn rcpt(rest: &str) -> Result<Command, Reply> {
    let (to, parameters) = path(keyword(rest, "TO:")?)?;
    if to.is_empty() {
        return Err(BAD_PATH);
    }
    bare(parameters.trim(), Command::Rcpt { to }).map_err(|_| BAD_PARAMETER)
}

fn auth(rest: &str) -> Result<Command, Reply> {
    let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
    let mechanism = match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => Mechanism::Plain,
        "LOGIN" => Mechanism::Login,
        "" => return Err(BAD_ARGUMENT),
        _ => return Err(Reply::new(504, "5.5.4 mechanism not offered")),
    };
    // RFC 4954: "=" is an initial response of no bytes.
    let initial = match initial.trim() {
        "" => None,
        "=" => Some(String::new()),
        given => Some(given.to_owned()),
    };
    Ok(Command::Auth { mechanism, initial })
}

/// What follows `keyword`, which may be in any case.
fn keyword<'a>(rest: &'a str, keyword: &str) -> Result<&'a str, Reply> {
    match rest.split_at_checked(keyword.len()) {
        Some((start, after)) if start.eq_ignore_ascii_case(keyword) => Ok(after.trim_start()),
        _ => Err(BAD_ARGUMENT),
    }
}

/// `<address>` and what follows it. A source route is dropped, as RFC 5321 asks.
fn path(rest: &str) -> Result<(String, &str), Reply> {
    let inside = rest.strip_prefix('<').ok_or(BAD_PATH)?;
    let (path, parameters) = inside.split_at(end_of_path(inside).ok_or(BAD_PATH)?);
    let address = match path.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or(BAD_PATH)?.1,
        None => path,
    };
    let parameters = &parameters[1..];
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(BAD_PATH);
    }
    check_address(address)?;
    Ok((address.to_owned(), parameters))
}

/// Where the closing `>` is; one inside a quoted local part does not count.
fn end_of_path(inside: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    inside.bytes().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return true,
            _ => {}
        }
        false
    })
}

fn check_address(address: &str) -> Result<(), Reply> {
    if address.is_empty() || address.eq_ignore_ascii_case("postmaster") {
        return Ok(());
    }
    if !address.is_ascii() {
        return Err(NOT_ASCII);
    }
    let (local, domain) = address.rsplit_once('@').ok_or(BAD_PATH)?;
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let clean = |text: &str| !text.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'<');
    let local_fits = quoted || (clean(local) && !local.contains(['@', '"']));
    if address.len() <= PATH_BYTES_MAX
        && local_fits
        && !local.is_empty()
        && !domain.is_empty()
        && clean(domain)
    {
        Ok(())
    } else {
        Err(BAD_PATH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, u16> {
        Command::parse(format!("{line}\r\n").as_bytes()).map_err(|reply| reply.code)
    }

    fn mail(from: &str, size_bytes: Option<u64>) -> Result<Command, u16> {
        Ok(Command::Mail {
            from: from.into(),
            size_bytes,
        })
    }

    fn rcpt(to: &str) -> Result<Command, u16> {
        Ok(Command::Rcpt { to: to.into() })
    }

    #[test]
    fn reads_paths_and_parameters() {
        assert_eq!(parse("MAIL FROM:<a@x.example>"), mail("a@x.example", None));
        assert_eq!(
            parse("mail from: <a@x.example> body=8bitmime SIZE=12"),
            mail("a@x.example", Some(12))
        );
        assert_eq!(parse("MAIL FROM:<>"), mail("", None));
        assert_eq!(
            parse("MAIL FROM:<a@x.example> AUTH=<>"),
            mail("a@x.example", None)
        );
        assert_eq!(parse("RCPT TO:<a+b@x.example>"), rcpt("a+b@x.example"));
        assert_eq!(
            parse("RCPT TO:<@r.example:a@x.example>"),
            rcpt("a@x.example")
        );
        assert_eq!(
            parse("RCPT TO:<\"a > b\"@x.example>"),
            rcpt("\"a > b\"@x.example")
        );
        assert_eq!(parse("RCPT TO:<Postmaster>"), rcpt("Postmaster"));
    }

    #[test]
    fn refuses_what_is_malformed_with_the_code_of_the_standard() {
        for (line, code) in [
            ("", 500),
            ("BLAH", 500),
            ("EXPN list", 502),
            ("STARTTLS now", 501),
            ("EHLO", 501),
            ("DATA now", 501),
            ("MAIL", 501),
            ("MAIL FROM:a@x.example", 501),
            ("MAIL FROM:<a@x.example", 501),
            ("MAIL FROM:<a>", 501),
            ("MAIL FROM:<a@x.example>SIZE=1", 501),
            ("MAIL FROM:<a@x.example> SIZE=big", 501),
            ("MAIL FROM:<a@x.example> BODY=9BIT", 501),
            ("MAIL FROM:<a@x.example> SMTPUTF8", 555),
            ("RCPT TO:<>", 501),
            ("RCPT TO:<a b@x.example>", 501),
            ("RCPT TO:<@x.example>", 501),
            ("RCPT TO:<a@b@x.example>", 501),
            ("RCPT TO:<é@x.example>", 553),
            ("RCPT TO:<a@x.example> NOTIFY=NEVER", 555),
            ("AUTH", 501),
            ("AUTH CRAM-MD5", 504),
        ] {
            assert_eq!(parse(line), Err(code), "{line}");
        }
        assert_eq!(Command::parse(b"NOOP\n").unwrap_err().code, 500);
    }

    #[test]
    fn an_initial_response_may_be_absent_empty_or_given() {
        let auth = |initial: Option<&str>| {
            Ok(Command::Auth {
                mechanism: Mechanism::Plain,
                initial: initial.map(str::to_owned),
            })
        };
        assert_eq!(parse("AUTH PLAIN"), auth(None));
        assert_eq!(parse("AUTH PLAIN ="), auth(Some("")));
        assert_eq!(parse("auth plain AGEAYg=="), auth(Some("AGEAYg==")));
    }
}
