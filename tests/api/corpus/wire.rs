//! A client connection that accepts any response, also to an invalid request.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Result, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first header with this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub struct Wire {
    reader: BufReader<TcpStream>,
}

impl Wire {
    /// Connects; reading fails after the timeout.
    pub fn open(address: SocketAddr, timeout: Duration) -> Self {
        let stream = TcpStream::connect(address).expect("a listener");
        stream.set_read_timeout(Some(timeout)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// Sends bytes and ignores errors: the other side may have closed already.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.reader.get_ref().write_all(bytes);
    }

    pub fn half_close(&mut self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
    }

    /// Reads one response, interim ones included.
    pub fn response(&mut self, is_head: bool) -> Result<Response> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(ErrorKind::InvalidData)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if is_head || status < 200 || status == 204 || status == 304 {
            return Ok(response);
        }
        if response.header("transfer-encoding").is_some() {
            while let size @ 1.. = self.chunk_size()? {
                let mut chunk = vec![0; size + 2];
                self.reader.read_exact(&mut chunk)?;
                response.body.extend_from_slice(&chunk[..size]);
            }
            self.line()?;
        } else if let Some(length) = response.header("content-length") {
            response.body.resize(length.parse().map_err(|_| ErrorKind::InvalidData)?, 0);
            self.reader.read_exact(&mut response.body)?;
        } else {
            self.reader.read_to_end(&mut response.body)?;
        }
        Ok(response)
    }

    /// Reads the next response that is not interim.
    pub fn final_response(&mut self, is_head: bool) -> Result<Response> {
        loop {
            let response = self.response(is_head)?;
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    pub fn set_timeout(&mut self, timeout: Duration) {
        self.reader.get_ref().set_read_timeout(Some(timeout)).unwrap();
    }

    /// Waits for the end of the stream or for a byte; true if the other side closed without sending more.
    pub fn is_closed(&mut self) -> Result<bool> {
        self.reader.fill_buf().map(<[u8]>::is_empty)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn chunk_size(&mut self) -> Result<usize> {
        let line = self.line()?;
        usize::from_str_radix(&line, 16).map_err(|_| ErrorKind::InvalidData.into())
    }
}
