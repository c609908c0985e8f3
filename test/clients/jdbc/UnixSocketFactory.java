import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import javax.net.SocketFactory;

/**
 * Lets the driver connect to a socket of the file system: socketFactory=UnixSocketFactory, and socketFactoryArg is its path. Java
 * has such sockets as channels only, and the driver wants a java.net.Socket with a time-out for reading, which blocking channels
 * have not: hence the selectors. Servers of tests listen to nothing else.
 */
public class UnixSocketFactory extends SocketFactory {
    private final String path;

    public UnixSocketFactory(String path) {
        this.path = path;
    }

    @Override
    public Socket createSocket() {
        return new UnixSocket(path);
    }

    // the driver makes sockets by the above and connects them by itself

    @Override
    public Socket createSocket(String host, int port) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress local, int localPort) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(InetAddress host, int port) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) {
        throw new UnsupportedOperationException();
    }

    private static final class UnixSocket extends Socket {
        private final String path;
        private SocketChannel channel;
        private Selector readable;
        private Selector writable;
        private int timeout;

        UnixSocket(String path) {
            this.path = path;
        }

        @Override
        public void connect(SocketAddress ignored, int connectTimeout) throws IOException {
            channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
            channel.configureBlocking(false);
            readable = Selector.open();
            writable = Selector.open();
            channel.register(readable, SelectionKey.OP_READ);
            channel.register(writable, SelectionKey.OP_WRITE);
        }

        private int read(ByteBuffer to) throws IOException {
            int n;
            while ((n = channel.read(to)) == 0) {
                readable.selectedKeys().clear();
                if (readable.select(timeout) == 0) {
                    throw new SocketTimeoutException();
                }
            }
            return n;
        }

        private void write(ByteBuffer from) throws IOException {
            while (from.hasRemaining()) {
                if (channel.write(from) == 0) {
                    writable.selectedKeys().clear();
                    writable.select();
                }
            }
        }

        @Override
        public InputStream getInputStream() {
            return new InputStream() {
                @Override
                public int read() throws IOException {
                    byte[] one = new byte[1];
                    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
                }

                @Override
                public int read(byte[] to, int offset, int length) throws IOException {
                    return length == 0 ? 0 : UnixSocket.this.read(ByteBuffer.wrap(to, offset, length));
                }
            };
        }

        @Override
        public OutputStream getOutputStream() {
            return new OutputStream() {
                @Override
                public void write(int one) throws IOException {
                    write(new byte[] {(byte) one}, 0, 1);
                }

                @Override
                public void write(byte[] from, int offset, int length) throws IOException {
                    UnixSocket.this.write(ByteBuffer.wrap(from, offset, length));
                }
            };
        }

        @Override
        public void setSoTimeout(int milliseconds) {
            timeout = milliseconds;
        }

        @Override
        public int getSoTimeout() {
            return timeout;
        }

        @Override
        public boolean isConnected() {
            return channel != null;
        }

        @Override
        public boolean isClosed() {
            return channel != null && !channel.isOpen();
        }

        @Override
        public synchronized void close() throws IOException {
            if (channel != null) {
                channel.close();
                readable.close();
                writable.close();
            }
        }

        // of TCP, and nothing to a socket of the file system

        @Override
        public void setTcpNoDelay(boolean on) {
        }

        @Override
        public void setKeepAlive(boolean on) {
        }

        @Override
        public int getReceiveBufferSize() {
            return 65536;
        }

        @Override
        public int getSendBufferSize() {
            return 65536;
        }
    }
}
