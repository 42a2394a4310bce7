use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What a request asks for (RFC 9110, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The content.
    #[default]
    Get,
    /// Only what comes before the content.
    Head,
    /// That the server does something with the body.
    Post,
    /// That the body becomes the content.
    Put,
    /// That the content is changed as the body says.
    Patch,
    /// That the content is removed.
    Delete,
    /// What can be asked for.
    Options,
}

impl Method {
    /// As it stands in the request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request to a web server.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRequest<'a> {
    /// What to do.
    pub method: Method,
    /// To what: an absolute `http` or `https` address.
    pub url: &'a str,
    /// Names and values, sent in this order where the platform lets us choose it (`fetch` does not).
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; none is sent if it is empty.
    pub body: &'a [u8],
}

impl<'a> HttpRequest<'a> {
    /// Asks for the content of `url`.
    pub const fn get(url: &'a str) -> Self {
        Self { method: Method::Get, url, headers: &[], body: &[] }
    }
}

/// The head of a server's answer, and its body as it arrives.
#[derive(Debug)]
pub struct HttpResponse<B> {
    /// The status, 100 to 599.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: B,
}

impl<B> HttpResponse<B> {
    /// The first value of a header. The name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
