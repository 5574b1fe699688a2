/**
 * A socket that is closed while bytes of its peer wait unread is reset by the kernel, and a reset takes from the peer
 * what it has not read yet: the reason for the close. So a closing socket is read on, up to this many bytes.
 */
export const LINGER_BYTES = 1024 * 1024;
