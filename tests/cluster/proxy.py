# SPDX-License-Identifier: MIT
"""A TCP proxy between a peer and its coordinator that can be told to lose the network."""
import socket
import struct
import threading
import time

RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: closing sends a reset


class Proxy:
    def __init__(self, endpoint):
        self.retarget(endpoint)
        self.passing = threading.Event()
        self.passing.set()
        self.delay_seconds = 0.0
        self.cut_after_bytes = None
        self.lock = threading.Lock()
        self.pairs = []
        self.cuts = 0
        self.forwarded_bytes = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def retarget(self, endpoint):
        """Where new connections go."""
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.target = (host, int(port))

    def hold(self):
        """A partition: nothing passes, no connection ends."""
        self.passing.clear()

    def release(self):
        self.passing.set()

    def cut(self):
        """All connections are reset; what was under way is lost."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
            self.cuts += len(pairs)
        for pair in pairs:
            for end in pair:
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def cut_in_mid_stream(self, after_bytes):
        """Once, when so many bytes more have passed; in the middle of what comes then."""
        self.cut_after_bytes = self.forwarded_bytes + after_bytes

    def close(self):
        self.listener.close()
        self.release()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            with self.lock:
                self.pairs.append((near, far))
            for source, sink in [(near, far), (far, near)]:
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                self.passing.wait()
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                due = self.cut_after_bytes
                if due is not None and self.forwarded_bytes + len(data) >= due:
                    self.cut_after_bytes = None
                    sink.sendall(data[:max(0, due - self.forwarded_bytes)])
                    self.cut()
                    return
                sink.sendall(data)
                self.forwarded_bytes += len(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
