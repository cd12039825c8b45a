//! The wire to the service manager: systemd's notification socket.

use std::io;
use std::os::unix::net::UnixDatagram;

#[cfg(target_os = "linux")]
fn address(name: &str) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    match name.strip_prefix('@') {
        Some(hidden) => std::os::unix::net::SocketAddr::from_abstract_name(hidden),
        None => std::os::unix::net::SocketAddr::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &str) -> io::Result<std::os::unix::net::SocketAddr> {
    std::os::unix::net::SocketAddr::from_pathname(name)
}

/// A function that sends one message to the socket with this name (`NOTIFY_SOCKET`; `@` begins an abstract one).
pub fn notifier(name: &str) -> io::Result<impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static> {
    let (address, socket) = (address(name)?, UnixDatagram::unbound()?);
    Ok(move |message: &[u8]| socket.send_to_addr(message, &address).map(drop))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn messages_reach_a_socket_by_path_and_by_hidden_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let hidden = format!("@hearth-test-{}", std::process::id());
        for name in [path.to_str().unwrap(), &hidden] {
            let manager = UnixDatagram::bind_addr(&address(name).unwrap()).unwrap();
            notifier(name).unwrap()(b"READY=1").unwrap();
            let mut heard = [0; 16];
            let length = manager.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1");
        }
    }
}
