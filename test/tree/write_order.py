# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a power cut may leave of a directory tree, from the calls that a program made on it.

    order = WriteOrder(tree)                    # before the run
    tree.run("collect", wrapper=order.wrapper)
    for state in order.states():
        state.build(other_path)

The model is harsher than ext4's, btrfs' or f2fs' own promises: a change of a folder (a new name, a
rename, a removal) lasts once that folder was fsynced, a rename once its target was; until then each
may be there or not, whatever came before or behind it. A file's bytes last once the file was fsynced;
until then it has all, half or none of what came since. A rename is one change, there or not. Folders
named in `firmware` are none of a disk: what is done there lasts at once (pstore).

At each change there are as states: all of what may be missing is there, none, all but one, only one;
each with all, half and none of the bytes; and each unfinished file alone without its bytes.
"""

import hashlib
import os
import re
import stat

TRACED = ("open,openat,openat2,creat,close,read,pread64,readv,lseek,write,writev,pwrite64,pwritev,"
          "pwritev2,ftruncate,truncate,fallocate,copy_file_range,sendfile,splice,fsync,fdatasync,sync,"
          "syncfs,sync_file_range,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,"
          "unlinkat,mkdir,mkdirat,rmdir,dup,dup2,dup3,sendto,sendmsg")
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) = (-?\d+)(?:<([^>]*)>(?:\(deleted\))?)?")
DESCRIPTOR = re.compile(r"^(-?\d+|AT_FDCWD)<([^>]*)>(?:\(deleted\))?$")


def unquote(text):
    return bytes.fromhex(text.strip('"').replace("\\x", ""))


class Node:
    """A file, folder or link, whatever its names. content: bytes of a file, where a link goes."""

    def __init__(self, kind, content=b"", time=None, mode=0o700):
        self.kind, self.time, self.mode = kind, time, mode
        self.content = bytearray(content)
        self.lasting = bytes(content)  # what of it is safe

    def variants(self):
        """What may be left of a file's bytes: all, half, none of what is not safe."""
        live = bytes(self.content)
        if live == self.lasting:
            return live, live, live
        return live, live[:len(live) // 2], self.lasting


class Change:
    """Names that get another node (None: are removed), all at once; home is the folder whose fsync
    makes it last."""

    def __init__(self, home, entries, lasting):
        self.home, self.entries, self.lasting = home, entries, lasting


class State:
    """files: path → (kind, content, time, mode). after: the calls' count, context what the test was
    told of there."""

    def __init__(self, files, after, context, what):
        self.files, self.after, self.context, self.what = files, after, context, what

    def __str__(self):
        return f"power cut after call {self.after}, {self.what}"

    def key(self):
        digest = hashlib.sha256(repr(self.context).encode())
        for path in sorted(self.files):
            kind, content, *_ = self.files[path]
            digest.update(b"%s\0%s\0%d\0%s" % (path.encode(), kind.encode(), len(content), content))
        return digest.digest()

    def build(self, top):
        os.makedirs(top)
        for path in sorted(self.files):
            kind, content, time, mode = self.files[path]
            place = os.path.join(top, path)
            if kind == "folder":
                os.mkdir(place, mode)
            elif kind == "link":
                os.symlink(content, place)
            else:
                with open(place, "wb") as file:
                    file.write(content)
                os.chmod(place, mode)
                if time is not None:
                    os.utime(place, ns=(time, time))


class Disk:
    """The tree as the program sees it, and what of it lasts."""

    def __init__(self, top, firmware):
        self.top = os.path.realpath(top)
        self.firmware = firmware
        self.changes = []
        self.root = Node("folder")
        self.live = {}  # (folder's node, name) → node
        self._scan(self.root, self.top)
        self.start = dict(self.live)

    def _scan(self, folder, path):
        for entry in os.scandir(path):
            status = entry.stat(follow_symlinks=False)
            mode, time = stat.S_IMODE(status.st_mode), status.st_mtime_ns
            if entry.is_symlink():
                node = Node("link", os.fsencode(os.readlink(entry.path)))
            elif entry.is_dir():
                node = Node("folder", mode=mode)
                self._scan(node, entry.path)
            else:
                with open(entry.path, "rb") as file:
                    node = Node("file", file.read(), time, mode)
            self.live[folder, entry.name] = node

    def relative(self, path):
        """Its parts below the tree, None for what is elsewhere."""
        if path != self.top and not path.startswith(self.top + "/"):
            return None
        return [part for part in path[len(self.top):].split("/") if part]

    def find(self, path):
        """None: elsewhere, or not there."""
        parts, node = self.relative(path), self.root
        for part in parts if parts is not None else []:
            node = self.live.get((node, part)) if node else None
        return node if parts is not None else None

    def split(self, path):
        """(folder's node, name), None for what is elsewhere."""
        if not self.relative(path):
            return None
        return self.find(os.path.dirname(path)), os.path.basename(path)

    def change(self, path, entries):
        inside = "/".join(self.relative(path))
        lasting = any(inside.startswith(folder + "/") for folder in self.firmware)
        home = self.split(path)[0]
        assert home is not None, path
        self.changes.append(Change(home, entries, lasting))
        for key, node in entries.items():
            self._set(self.live, key, node)

    @staticmethod
    def _set(entries, key, node):
        if node is None:
            entries.pop(key, None)
        else:
            entries[key] = node

    def sync(self, node):
        """Of a file: its bytes; of a folder: its names; None: of all."""
        for one in [node] if node else [self.root, *self.live.values()]:
            one.lasting = bytes(one.content)
        for change in self.changes:
            change.lasting |= node is None or change.home is node

    def files(self, chosen=None, variant=None):
        """The tree with the changes that last and the chosen ones, None: all; variant gives a node's
        bytes."""
        entries = dict(self.start)
        for change in self.changes:
            if change.lasting or chosen is None or change in chosen:
                for key, node in change.entries.items():
                    self._set(entries, key, node)
        inside = {}
        for (folder, name), node in entries.items():
            inside.setdefault(folder, []).append((name, node))
        found = {}

        def walk(folder, prefix):
            for name, node in inside.get(folder, []):
                content = variant(node) if variant else bytes(node.content)
                found[prefix + name] = (node.kind, content, node.time, node.mode)
                walk(node, prefix + name + "/")

        walk(self.root, "")
        return found

    def subsets(self):
        """(what it is, the changes that are there) of those that may be missing."""
        pending = [change for change in self.changes if not change.lasting]
        yield "all", pending
        if pending:
            yield "none", []
        if len(pending) > 1:
            for n in range(len(pending)):
                yield f"without {n + 1} of {len(pending)}", pending[:n] + pending[n + 1:]
                yield f"only {n + 1} of {len(pending)}", [pending[n]]

    def left(self):
        """(what it is, files) of every state that a cut may leave now."""
        for what, chosen in self.subsets():
            for n, bytes_there in enumerate(["all", "half", "no"]):
                yield (f"{what} of the names, {bytes_there} new bytes",
                       self.files(chosen, lambda node: node.variants()[n]))
        for node in {node for node in self.live.values() if node.content != node.lasting}:
            yield ("all but one file's new bytes",
                   self.files(variant=lambda one: one.variants()[2 if one is node else 0]))


class WriteOrder:
    """firmware: see above. without_sync: as if the program had never called fsync, or not for the
    calls with these numbers (from 1), to prove that a test finds what that would do."""

    def __init__(self, tree, firmware=("sys",), without_sync=False):
        self.tree = tree
        self.disk = Disk(tree.path, firmware)
        self.without_sync = without_sync
        self.syncs = 0
        self.log = tree.path.parent / (tree.path.name + ".strace")
        self.positions = {}  # fd → (path, position)
        self.context = None

    @property
    def wrapper(self):
        return ["strace", "-f", "-y", "-xx", "-s", "67108864", "-o", str(self.log), "-e",
                f"trace={TRACED}"]

    def states(self, sent=lambda data, context: context):
        """Each state once, with the context that it was found in; sent(data, context) gives the new
        context when the program sends something to a socket."""
        seen = set()
        lines = self.log.read_text().splitlines()
        for after, line in enumerate(["", *lines]):
            if line and not self._apply(line, sent):
                continue
            for what, files in self.disk.left():
                state = State(files, after, self.context, what)
                if state.key() not in seen:
                    seen.add(state.key())
                    yield state
        self._agrees()

    def _agrees(self):
        """What the calls make of the tree must be what is there: all of them were understood."""
        real = Disk(self.tree.path, ()).files()
        model = self.disk.files()
        assert {path: entry[:2] for path, entry in real.items()} == \
            {path: entry[:2] for path, entry in model.items()}

    def _apply(self, line, sent):
        """True where it altered what a cut may leave."""
        found = LINE.match(line)
        if not found:
            assert "unfinished" not in line, line  # of threads; nobody has any
            return False
        call, arguments, result, opened = found[1], found[2].split(", "), int(found[3]), found[4]
        handler = getattr(self, f"_{call}", None)
        if result < 0 or not handler:
            inside = str(self.disk.top).encode().hex()
            assert result < 0 or call in ("dup", "dup2", "dup3", "pread64", "sendmsg") or \
                inside not in line.replace("\\x", ""), f"not understood: {call}"
            return False
        if call == "sendto":
            self.context = sent(unquote(arguments[1]), self.context)
            return False
        if opened is not None:
            opened = unquote(opened).decode()
        return bool(handler(arguments, result, opened))

    @staticmethod
    def _path(folder, name):
        """Of two arguments, a folder's descriptor and a name in it."""
        base = unquote(DESCRIPTOR.match(folder)[2]).decode()
        return os.path.normpath(os.path.join(base, unquote(name).decode()))

    @staticmethod
    def _descriptor(argument):
        found = DESCRIPTOR.match(argument)
        return int(found[1]), unquote(found[2]).decode()

    def _sendto(self):
        """Is told to the test."""

    def _openat(self, arguments, fd, path):
        self.positions[fd] = 0
        if self.disk.relative(path) is None:
            return False
        node, flags = self.disk.find(path), " ".join(arguments[2:])
        assert "O_TMPFILE" not in flags and "O_APPEND" not in flags, path
        if node is None:
            assert "O_CREAT" in flags, path
            self.disk.change(path, {self.disk.split(path): Node("file", mode=0o600)})
            return True
        if "O_TRUNC" in flags and node.kind == "file":
            node.content.clear()
            return True
        return False

    _openat2 = _openat

    def _close(self, arguments, result, _):
        self.positions.pop(self._descriptor(arguments[0])[0], None)

    def _read(self, arguments, n, _):
        fd, _ = self._descriptor(arguments[0])
        self.positions[fd] = self.positions.get(fd, 0) + n

    def _lseek(self, arguments, position, _):
        self.positions[self._descriptor(arguments[0])[0]] = position

    def _put(self, path, at, data):
        node = self.disk.find(path)
        if node is None:
            return False
        node.content.extend(bytes(max(0, at + len(data) - len(node.content))))
        node.content[at:at + len(data)] = data
        return True

    def _write(self, arguments, n, _):
        fd, path = self._descriptor(arguments[0])
        at = self.positions.get(fd, 0)
        self.positions[fd] = at + n
        return self._put(path, at, unquote(arguments[1])[:n])

    def _pwrite64(self, arguments, n, _):
        path = self._descriptor(arguments[0])[1]
        return self._put(path, int(arguments[3]), unquote(arguments[1])[:n])

    def _ftruncate(self, arguments, result, _):
        node, size = self.disk.find(self._descriptor(arguments[0])[1]), int(arguments[1])
        if node is None:
            return False
        node.content.extend(bytes(max(0, size - len(node.content))))
        del node.content[size:]
        return True

    def _fsync(self, arguments, result, _):
        node = self.disk.find(self._descriptor(arguments[0])[1])
        if node is None:
            return False
        self.syncs += 1
        if self.without_sync is True or self.without_sync and self.syncs in self.without_sync:
            return False
        self.disk.sync(node)
        return True

    _fdatasync = _fsync

    def _syncfs(self, arguments, result, _):
        if self.without_sync is not True:
            self.disk.sync(None)
        return True

    def _mkdirat(self, arguments, result, _):
        path = self._path(*arguments[:2])
        where = self.disk.split(path)
        if where:
            self.disk.change(path, {where: Node("folder")})
        return where is not None

    def _unlinkat(self, arguments, result, _):
        path = self._path(*arguments[:2])
        where = self.disk.split(path)
        if where:
            self.disk.change(path, {where: None})
        return where is not None

    def _renameat2(self, arguments, result, _):
        old, new = self._path(*arguments[:2]), self._path(*arguments[2:4])
        source, target = self.disk.split(old), self.disk.split(new)
        assert (source is None) == (target is None) and "EXCHANGE" not in "".join(arguments[4:])
        if source:
            self.disk.change(new, {source: None, target: self.disk.find(old)})
        return source is not None

    _renameat = _renameat2

    def _fallocate(self, arguments, result, _):
        assert self.disk.find(self._descriptor(arguments[0])[1]) is None
