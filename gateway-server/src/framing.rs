//! Where the body of a response ends: judged from its head before anything of it leaves, for every
//! gateway and version of HTTP.
//!
//! A client that believes a wrong Content-Length takes the next response for the rest of this one, or
//! the rest of this one for the next, so what an application or a layer says about it is checked and
//! not passed on. Pure: a head goes in, a plan comes out. What is unknown beforehand is counted while
//! it is sent, by the gateway that carries out the plan: the piece that would exceed it is not sent.

use std::fmt;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// What of a request decides about the framing of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Head,
    Connect,
    Other,
}

impl From<&Method> for Asked {
    fn from(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing, whatever the application's body holds (HEAD, 204, 205, 304).
    Nothing,
    /// So many bytes, neither more nor less.
    Exactly(u64),
    /// Whatever the body holds, to its end.
    ToTheEnd,
}

/// How a response is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing {
    pub(crate) content: Content,
    /// What Content-Length says; `None` for no such field.
    pub(crate) length: Option<u64>,
    /// Whether the application's fields say that already, or leave it to the gateway to say.
    pub(crate) agrees: bool,
    /// Whether the application has set Transfer-Encoding, which is the gateway's to set.
    pub(crate) is_coded: bool,
    /// Whether Connection names a field of framing, which the next hop would then take away.
    pub(crate) is_hidden: bool,
}

impl Framing {
    /// That of a status and nothing else.
    pub(crate) fn of_bare(asked: Asked, status: StatusCode) -> Self {
        let judged = judge(asked, false, status, &HeaderMap::new(), Some(0));
        let (content, length) = judged.map_or((Content::Exactly(0), Some(0)), |framing| {
            (framing.content, framing.length)
        });
        Self {
            content,
            length,
            // Over HTTP/2 hyper would leave it out.
            agrees: false,
            is_coded: false,
            is_hidden: false,
        }
    }
}

/// What of a body is still to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsent {
    /// Bytes still to come, if the client was told how many.
    left: Option<u64>,
}

impl Unsent {
    pub(crate) fn of(content: Content) -> Self {
        Self {
            left: match content {
                Content::Exactly(length) => Some(length),
                Content::Nothing | Content::ToTheEnd => None,
            },
        }
    }

    /// Bytes still to come, if the client was told how many.
    #[cfg(feature = "http")]
    pub(crate) fn left(self) -> Option<u64> {
        self.left
    }

    /// Takes a piece of `length` bytes off; it must not be sent if it goes beyond the end.
    pub(crate) fn take(&mut self, length: usize) -> Result<(), WrongLength> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(length as u64).ok_or(WrongLength::Long)?;
        }
        Ok(())
    }

    /// Whether the client waits for more than it was sent.
    pub(crate) fn is_short(self) -> bool {
        self.left.is_some_and(|left| left > 0)
    }

    /// Whether the client has all that it was told of.
    #[cfg(feature = "_wire")]
    pub(crate) fn is_over(self) -> bool {
        self.left == Some(0)
    }

    /// Judges the end of a body.
    pub(crate) fn end(self) -> Result<(), WrongLength> {
        if self.is_short() {
            Err(WrongLength::Short)
        } else {
            Ok(())
        }
    }
}

/// How a body differs from the length that the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrongLength {
    Short,
    Long,
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the response body is shorter than its Content-Length",
            Self::Long => "the response body is longer than its Content-Length",
        })
    }
}

impl std::error::Error for WrongLength {}

/// Why a response cannot be sent; a 500 goes in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// 1xx: an application has one response, and this one promises another.
    Interim,
    /// 101 to a client that asked for no upgrade, or where there is none: HTTP/2, a front end.
    Switch,
    /// A Content-Length that is no number, or two that differ.
    NoLength,
    /// A Content-Length that is not the body's.
    OtherLength { said: u64, body: u64 },
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interim => f.write_str("an interim status is no response"),
            Self::Switch => f.write_str("the client asked for no upgrade that could be made"),
            Self::NoLength => f.write_str("its Content-Length is not one number"),
            Self::OtherLength { said, body } => {
                write!(
                    f,
                    "its Content-Length is {said} and its body has {body} bytes"
                )
            }
        }
    }
}

/// Judges the head of a response to a request that `asked`; `switches` if that asked for an upgrade
/// which the gateway can make. `exact` is the body's length where the body knows it.
pub(crate) fn judge(
    asked: Asked,
    switches: bool,
    status: StatusCode,
    fields: &HeaderMap,
    exact: Option<u64>,
) -> Result<Framing, Unsendable> {
    let mut said = Said::default();
    // One pass: it costs less than to look for two names.
    for (name, value) in fields {
        if name == CONTENT_LENGTH {
            said.read_length(value);
        } else if name == TRANSFER_ENCODING {
            said.is_coded = true;
        } else if name == CONNECTION {
            said.is_hidden |= options(value).any(is_framing);
        }
    }
    let (content, length) = match status {
        StatusCode::SWITCHING_PROTOCOLS if switches => (Content::Nothing, None),
        StatusCode::SWITCHING_PROTOCOLS => return Err(Unsendable::Switch),
        _ if status.is_informational() => return Err(Unsendable::Interim),
        // RFC 9110 section 8.6: no such field.
        StatusCode::NO_CONTENT => (Content::Nothing, None),
        _ if asked == Asked::Connect && status.is_success() => (Content::ToTheEnd, None),
        // RFC 9110 section 15.3.6: no content, and a client has to be told so.
        StatusCode::RESET_CONTENT => (Content::Nothing, Some(0)),
        // RFC 9110 section 8.6: what the answer to a GET would say, which is not this body's length.
        StatusCode::NOT_MODIFIED => (Content::Nothing, said.length()),
        _ if asked == Asked::Head => {
            let guess = exact.filter(|length| *length > 0 && !said.has_length());
            (Content::Nothing, said.length().or(guess))
        }
        _ => match (said.length(), exact) {
            (None, _) if said.has_length() => return Err(Unsendable::NoLength),
            (Some(said), Some(body)) if said != body => {
                return Err(Unsendable::OtherLength { said, body });
            }
            (None, None) => (Content::ToTheEnd, None),
            (Some(length), _) | (None, Some(length)) => (Content::Exactly(length), Some(length)),
        },
    };
    Ok(Framing {
        content,
        length,
        agrees: said.agrees_with(content, length),
        is_coded: said.is_coded,
        is_hidden: said.is_hidden,
    })
}

/// What the application's fields say of the framing.
#[derive(Debug, Default)]
struct Said {
    lengths: Lengths,
    // Content-Length stands in one field, written as we would write it.
    is_plain: bool,
    is_coded: bool,
    is_hidden: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum Lengths {
    #[default]
    None,
    One(u64),
    /// What cannot be read, or says two things.
    Bad,
}

impl Said {
    /// RFC 9110 section 8.6: the same length said twice, in two fields or in a list, is one length.
    fn read_length(&mut self, value: &HeaderValue) {
        self.is_plain = matches!(self.lengths, Lengths::None) && is_plain(value.as_bytes());
        for member in value.as_bytes().split(|byte| *byte == b',') {
            self.lengths = match (self.lengths, number(member.trim_ascii())) {
                (Lengths::None, Some(length)) => Lengths::One(length),
                (Lengths::One(before), Some(length)) if before == length => Lengths::One(length),
                _ => Lengths::Bad,
            };
        }
    }

    fn has_length(&self) -> bool {
        !matches!(self.lengths, Lengths::None)
    }

    fn length(&self) -> Option<u64> {
        match self.lengths {
            Lengths::One(length) => Some(length),
            Lengths::None | Lengths::Bad => None,
        }
    }

    fn agrees_with(&self, content: Content, length: Option<u64>) -> bool {
        match self.lengths {
            // A gateway says the length of what it sends by itself.
            Lengths::None => length.is_none() || content != Content::Nothing,
            Lengths::One(said) => self.is_plain && length == Some(said),
            Lengths::Bad => false,
        }
    }
}

/// As many digits as it takes; `None` too for what is beyond 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}

fn is_plain(value: &[u8]) -> bool {
    value == b"0" || (value.iter().all(u8::is_ascii_digit) && !value.starts_with(b"0"))
}

/// The options of a Connection field.
fn options(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
}

fn is_framing(option: &[u8]) -> bool {
    [CONTENT_LENGTH, TRANSFER_ENCODING]
        .iter()
        .any(|name| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Takes the names of fields of framing out of Connection.
#[cfg(feature = "http")]
pub(crate) fn unhide(fields: &mut HeaderMap) {
    let values = fields.get_all(CONNECTION).iter();
    let kept: Vec<_> = values
        .flat_map(options)
        .filter(|it| !is_framing(it))
        .collect();
    match HeaderValue::from_bytes(&kept.join(&b", "[..])) {
        Ok(value) if !value.is_empty() => drop(fields.insert(CONNECTION, value)),
        _ => drop(fields.remove(CONNECTION)),
    }
}
