//! Content codings: which of a file and its compressed siblings a client would rather have ([RFC 9110 12.5.3]).
//!
//! [RFC 9110 12.5.3]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3

use gateway_core::request::accept::Weighted;
use http::{HeaderMap, HeaderValue, header};

/// How a representation is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// `br`, in a sibling that ends with `.br`.
    Brotli,
    /// `zstd`, in a sibling that ends with `.zst`.
    Zstd,
    /// `gzip`, in a sibling that ends with `.gz`.
    Gzip,
    /// The file itself.
    Identity,
}

/// Ours, best first: of two codings that the client likes equally the one in front is sent.
const ALL: [Coding; 4] = [Coding::Brotli, Coding::Zstd, Coding::Gzip, Coding::Identity];

impl Coding {
    /// The name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// The suffix that the sibling's name has in addition to the file's; empty for the file itself.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::Identity => "",
        }
    }

    /// For `Content-Encoding`; `None` for the file itself.
    pub(crate) fn field(self) -> Option<HeaderValue> {
        (self != Self::Identity).then(|| HeaderValue::from_static(self.name()))
    }

    /// For the end of an entity tag.
    pub(crate) fn tag(self) -> &'static str {
        if self == Self::Identity {
            ""
        } else {
            self.name()
        }
    }

    fn from_token(token: &[u8]) -> Option<Self> {
        let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        // RFC 9110 8.4.1.3: x-gzip is gzip.
        ALL.into_iter()
            .find(|coding| is(coding.name()))
            .or_else(|| is("x-gzip").then_some(Self::Gzip))
    }
}

/// What a client accepts, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preference {
    codings: [Option<Coding>; 4],
}

impl Preference {
    /// Only the file itself.
    pub const IDENTITY: Self = Self {
        codings: [Some(Coding::Identity), None, None, None],
    };

    /// Reads the `Accept-Encoding` fields of a request; several lines are one list.
    ///
    /// Without the field, or with an empty one, only the file itself is acceptable: a client that does not say
    /// that it can decode should not have to.
    #[must_use]
    pub fn parse(fields: &HeaderMap) -> Self {
        let mut weights = [None; 4];
        let mut others = None;
        for line in fields.get_all(header::ACCEPT_ENCODING) {
            let elements = line.as_bytes().split(|&byte| byte == b',');
            for element in elements.filter_map(Weighted::parse) {
                let place = match Coding::from_token(element.name()) {
                    Some(coding) => weights.get_mut(coding as usize),
                    None if element.name() == b"*" => Some(&mut others),
                    None => None,
                };
                if let Some(place) = place {
                    place.get_or_insert(element.quality());
                }
            }
        }
        Self::order(weights, others)
    }

    fn order(weights: [Option<u16>; 4], others: Option<u16>) -> Self {
        let mut ranked = [(0, Coding::Identity); 4];
        for ((place, coding), weight) in ranked.iter_mut().zip(ALL).zip(weights) {
            let weight = weight.or(others);
            // The file itself is acceptable unless it is refused, and comes last where the client does not mention it.
            let unsaid = if coding == Coding::Identity { 1 } else { 0 };
            *place = (weight.map_or(unsaid, |weight| weight * 2), coding);
        }
        ranked.sort_by_key(|&(weight, coding)| (std::cmp::Reverse(weight), coding));
        Self {
            codings: ranked.map(|(weight, coding)| (weight > 0).then_some(coding)),
        }
    }

    /// The codings, best first, as far as the file itself: what comes after it is never wanted, since it is always there.
    pub fn iter(&self) -> impl Iterator<Item = Coding> {
        let mut done = false;
        self.codings
            .into_iter()
            .flatten()
            .take_while(move |&coding| {
                let wanted = !done;
                done = coding == Coding::Identity;
                wanted
            })
    }

    /// Whether the file itself may be sent.
    #[must_use]
    pub fn accepts_identity(&self) -> bool {
        self.codings.contains(&Some(Coding::Identity))
    }

    /// A small number, different for each order of the codings that matter; zero for the file alone.
    pub(crate) fn code(&self) -> u16 {
        const IDENTITY: u16 = Coding::Identity as u16 + 1;
        match self
            .iter()
            .fold(0, |code, coding| code * 5 + coding as u16 + 1)
        {
            IDENTITY => 0,
            // Nothing is acceptable: not the same as the file alone.
            0 => u16::MAX,
            code => code,
        }
    }
}
