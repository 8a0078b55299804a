use std::io::Read;
use std::net::TcpStream;

/// Until `text` has come.
pub(crate) fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut whole = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&whole).contains(text) {
        match socket.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => whole.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8_lossy(&whole).into_owned()
}
