# SPDX-License-Identifier: GPL-2.0
"""Run scripts inside guests: User-mode Linux, or a PC made by QEMU.

The root of a guest is the host's file system, read-only, so the host's own
programs run in it.  Neither root nor KVM is needed; but host files are read
with the rights of the user who starts the guest.  Which of the two it is
follows from the kernel: a bzImage is for QEMU, which has several CPUs and is
slow where there is no KVM.

One guest, from a shell (see `guest run --help`):

    tools/guest/guest run --results DIR -- SCRIPT [ARG...]

SCRIPT runs as root, in its own directory, on a fresh kernel: /proc, /sys,
/dev, empty /tmp and /run, lo up, nothing else.  What it prints comes out as
it is printed.  The exit status is the script's, or 125 if the guest itself
failed: no such kernel, time-out, panic, or a line in its console that tells
of a fault (see FAULTS).  In the script's environment:

    RESULTS     the one directory that is writable and outlives the guest,
                at the same path as on the host
    GUEST_NAME  the guest's name, also its host name
    TOP         the top of this checkout

In RESULTS the runner leaves `console`, what the kernel printed, `output`,
what the script printed, and `status`, its exit status.  Files the script
writes there can be relied on once the guest has ended.

Several guests, from Python:

    import guest

    link = guest.Link()
    with guest.Guest('a', './a.sh', results='out/a', nics=[link.a],
                     stdin=True) as a, \\
         guest.Guest('b', './b.sh', results='out/b', nics=[link.b]) as b:
        b.expect(r'^ready', timeout=20)     # a line b.sh prints
        a.send('go')                        # a line a.sh reads
        a.crash()                           # SIGKILL: a power failure
        status = b.wait(timeout=30)         # the status of b.sh

nics[n] is vec<n> inside, down until the script raises it.  Leaving the
`with` kills what still runs.  Every failure is a GuestError with one clear
line.
"""

import collections
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

QEMU = 'qemu-system-x86_64'

# A console line that fits one of these fails the run.
FAULTS = re.compile('|'.join((
    r'Kernel panic',
    r'\bBUG:',
    # pktgen says that of what a user does
    r'(?<!pktgen: )\bWARNING:',
    r'\bOops\b',
    r'Internal error',
    # Not that of a program, behind which stands "ip:"
    r'general protection fault(?! ip:)',
    r'rcu: INFO: .*stall',
    r'INFO: task .* blocked for more than',
    r'INFO: possible .* detected',
    r'INFO: inconsistent lock state',
    r'INFO: trying to register non-static key',
    r'UBSAN:',
    r'ODEBUG:',
    r'refcount_t:',
    r'kmemleak: .* new suspected memory leaks',
    r'unregister_netdevice: waiting for',
    r'Out of memory',
)))


class GuestError(Exception):
    """A guest could not do its work.  The text is for the user."""


def default_kernel():
    """The kernel to run where the caller names none."""
    return os.environ.get('GUEST_KERNEL',
                          os.path.join(TOP, 'build/uml-6.12/linux'))


def is_pc_kernel(path):
    """Is it a bzImage?  Its setup header says so."""
    with open(path, 'rb') as f:
        f.seek(0x202)
        return f.read(4) == b'HdrS'


def check_kernel(path):
    if not os.path.isfile(path) or \
            not (os.access(path, os.X_OK) or is_pc_kernel(path)):
        raise GuestError(f'{path}: no kernel there; `make kernel`, '
                         '`make stock-kernel` or `make images` provide it')


def has_kvm():
    """Can it run QEMU's PC?  Where the CPU itself does not virtualise there
    may be a /dev/kvm all the same, for guests that are made for that.
    """
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return False
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as f:
        return bool(re.search(r'^flags\b.* (vmx|svm)\b', f.read(), re.M))


def check_qemu(nics):
    if not shutil.which(QEMU):
        raise GuestError(f'no {QEMU}; Debian has it in qemu-system-x86')
    if nics:
        raise GuestError('only a guest of User-mode Linux has cables')


class Link:
    """A cable: what one guest sends into `a` the other gets from `b`.

    An end whose guest has gone swallows what is sent to it, like an
    unplugged cable, until another guest is started with that end.
    """

    def __init__(self):
        self.a, self.b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.a, self.b):
            # Room for bursts.  Capped by net.core.wmem_max, which will do.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def close(self):
        for end in (self.a, self.b):
            _Sink.plug(end)
            end.close()


class _Sink(threading.Thread):
    """Empties an end of a Link that has no guest.

    Otherwise the cable and the queue before it fill up.  Then the next guest
    gets what was meant for the last, and a TCP that has a segment in that
    queue never sends it again, since it takes it for not yet sent.
    """

    _of = {}            # the sink of each unplugged end

    def __init__(self, end):
        super().__init__(daemon=True)
        self._end = end
        self._plugged = threading.Event()

    def run(self):
        while not self._plugged.is_set():
            if not select.select([self._end], [], [], 0.1)[0]:
                continue
            try:
                self._end.recv(65536, socket.MSG_DONTWAIT)
            except OSError:
                pass

    @classmethod
    def unplug(cls, end):
        if end.fileno() >= 0 and end not in cls._of:
            cls._of[end] = cls(end)
            cls._of[end].start()

    @classmethod
    def plug(cls, end):
        sink = cls._of.pop(end, None)
        if sink:
            sink._plugged.set()
            sink.join()


def faults(console, allow=None):
    """The lines of a console log that tell of a fault.

    Lines that fit the regular expression `allow` are passed over.
    """
    found = []
    with open(console, errors='replace') as f:
        for line in f:
            line = line.rstrip()
            if FAULTS.search(line) and not (allow and re.search(allow, line)):
                found.append(line)
    return found


def _no_blanks(path):
    # The kernel's command line and mount options know no quotes.
    if re.search(r'[\s,"]', path):
        raise GuestError(f'{path}: a guest cannot use a path with blanks, '
                         'commas or quotes in it; use another directory')
    return path


class Guest:
    """One guest, from start() (or entering a `with`) to its end.

    name     its host name; also tells guests apart in messages
    script   what to run, with args; relative to the current directory
    results  directory for what it leaves; made if it is not there
    kernel   the UML binary, or a bzImage; beside that there may be initrd,
             by which it finds its root, and lib/modules
    mem      its memory, as the kernel's mem= takes it
    cpus     how many, of a bzImage
    icount   whether the clock of its one CPU counts instructions, 1 ns each,
             and jumps to the next event when all is idle; a bzImage only
    append   further kernel arguments, a string
    nics     ends of Links: vec0, vec1...; UML only
    env      more environment for the script, a dict
    stdin    whether the script's input is what send() sends, else nothing.
             Not with time travel: there the clock does not wait for input.
    on_line  called with each line the script prints, from another thread
    allow    regular expression of console lines that are no fault
    """

    def __init__(self, name, script, args=(), *, results, kernel=None,
                 mem='256M', cpus=2, icount=False, append='', nics=(),
                 env=None, stdin=False, on_line=None, allow=None):
        self.name = name
        self.script = _no_blanks(os.path.abspath(script))
        self.args = list(args)
        self.results = _no_blanks(os.path.abspath(results))
        self.kernel = os.path.abspath(kernel or default_kernel())
        self.mem = mem
        self.cpus = 1 if icount else cpus
        self.icount = icount
        self.append = append
        self.nics = list(nics)
        self.env = dict(env or {})
        self.stdin = stdin
        self.on_line = on_line
        self.allow = allow
        self.console = os.path.join(self.results, 'console')
        self.output = os.path.join(self.results, 'output')
        self._status = os.path.join(self.results, 'status')
        self._proc = None
        self._tmp = None
        self._sock = None
        self._reader = None
        self._lines = collections.deque()
        self._news = threading.Condition()
        self._ended = False

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """Boot.  Returns at once."""
        check_kernel(self.kernel)
        pc = is_pc_kernel(self.kernel)
        if pc:
            check_qemu(self.nics)
        if not os.access(self.script, os.X_OK):
            raise GuestError(f'{self.script}: not there or not executable')
        try:
            os.makedirs(self.results, exist_ok=True)
            # What an earlier run left must not pass for this one's.
            if os.path.exists(self._status):
                os.unlink(self._status)
            log = open(self.console, 'wb')
        except OSError as e:
            raise GuestError(f'{self.results}: {e.strerror}') from e
        self._tmp = tempfile.mkdtemp(prefix='guest.', dir='/tmp')
        self._write_job(pc)
        self._sock, theirs = socket.socketpair()
        for nic in self.nics:
            _Sink.plug(nic)
        try:
            # A session of its own, since a guest is several processes:
            # they are killed as one group.  pdeathsig, so that none is
            # left over should the runner be killed.
            self._proc = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL'] +
                (self._qemu_argv if pc else self._uml_argv)(theirs.fileno()),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={'PATH': os.environ.get('PATH', os.defpath),
                     'HOME': self._tmp},
                pass_fds=[theirs.fileno()] + [n.fileno() for n in self.nics],
                start_new_session=True)
        except OSError as e:
            raise GuestError(f'setpriv: {e.strerror}; it comes with '
                             'util-linux') from e
        finally:
            theirs.close()
            log.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _write_job(self, pc):
        """The shell script that tells the guest's init what to do."""
        dirname, base = os.path.split(self.script)
        env = dict(self.env, TOP=TOP, RESULTS=self.results,
                   GUEST_NAME=self.name,
                   MODULES=self._beside('lib/modules') if pc else '')
        command = shlex.join(['./' + base] + self.args)
        tty = '/dev/ttyS1' if pc else '/dev/tty1'
        how = f'<>{tty} >&0' if self.stdin else f'</dev/null >{tty}'
        mount = '-t 9p -o trans=virtio results' if pc else \
            f'-t hostfs -o {shlex.quote(self.results)} none'
        with open(os.path.join(self._tmp, 'job'), 'w') as f:
            for k, v in env.items():
                f.write(f'export {k}={shlex.quote(v)}\n')
            f.write(f'DIR={shlex.quote(dirname)}\n'
                    f'TTY={tty}\n'
                    f'mount_results() {{ mount {mount} "$RESULTS"; }}\n'
                    f'job() {{ cd "$DIR" && '
                    f'exec setsid -w {command} {how} 2>&1; }}\n')

    def _init(self):
        """What the kernel is to start, and where that finds its job."""
        return [f'init={_no_blanks(HERE)}/init',
                f'guest_job={self._tmp}/job']

    def _qemu_argv(self, fd):
        share = 'security_model=none,multidevs=remap'
        append = ['root=/dev/root', 'rootfstype=9p', 'ro',
                  'rootflags=trans=virtio,cache=loose,msize=262144',
                  'console=ttyS0', 'panic=-1'] + self._init() + \
            shlex.split(self.append)
        # Of the older machine ACPI finds the interrupts by a loop, for which
        # a slow kernel has not always the patience.
        argv = [QEMU, '-machine', 'q35', '-nodefaults', '-no-user-config',
                '-display', 'none', '-no-reboot',
                '-m', self.mem, '-smp', str(self.cpus),
                '-cpu', 'max', *self._qemu_speed(),
                '-kernel', self.kernel, '-append', ' '.join(append),
                '-virtfs', f'local,id=root,path=/,mount_tag=/dev/root,{share},'
                'readonly=on',
                '-virtfs', f'local,path={self.results},mount_tag=results,'
                f'{share}',
                '-serial', 'stdio',
                '-chardev', f'socket,id=output,fd={fd}',
                '-serial', 'chardev:output']
        initrd = self._beside('initrd')
        return argv + (['-initrd', initrd] if initrd else [])

    def _qemu_speed(self):
        if self.icount:
            return ['-accel', 'tcg,thread=single',
                    '-icount', 'shift=0,sleep=off']
        return ['-accel', 'kvm' if has_kvm() else 'tcg,thread=multi']

    def _beside(self, name):
        """What goes with the kernel, or ''."""
        path = os.path.join(os.path.dirname(self.kernel), name)
        return _no_blanks(path) if os.path.exists(path) else ''

    def _uml_argv(self, fd):
        argv = [self.kernel, f'mem={self.mem}', 'root=/dev/root',
                'rootfstype=hostfs', 'rootflags=/', 'ro', *self._init(),
                f'uml_dir={self._tmp}/', f'umid={self.name}',
                'con=null', 'con0=null,fd:1',
                f'con1=fd:{fd}' if self.stdin else f'con1=null,fd:{fd}']
        # The same guest has the same addresses in every run.
        tag = zlib.crc32(self.name.encode())
        for i, nic in enumerate(self.nics):
            mac = f'02:{tag >> 16 & 255:02x}:{tag >> 8 & 255:02x}:' \
                  f'{tag & 255:02x}:00:{i:02x}'
            argv.append(f'vec{i}:transport=fd,fd={nic.fileno()},depth=128,'
                        f'mac={mac}')
        return argv + shlex.split(self.append)

    def _read(self):
        """Take what the script prints, until the guest is gone."""
        rest = b''
        with open(self.output, 'wb', buffering=0) as output:
            while True:
                try:
                    data = self._sock.recv(65536)
                except OSError:
                    data = b''
                if not data:
                    break
                output.write(data)
                *lines, rest = (rest + data).split(b'\n')
                self._deliver(lines)
        if rest:
            self._deliver([rest])
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _deliver(self, lines):
        text = [line.decode(errors='replace') for line in lines]
        if self.on_line:
            for line in text:
                self.on_line(line)
        with self._news:
            self._lines.extend(text)
            self._news.notify_all()

    def send(self, line):
        """Send the script a line (needs stdin=True)."""
        try:
            self._sock.sendall(line.encode() + b'\n')
        except OSError as e:
            raise self._error('ended') from e

    def expect(self, pattern, timeout=60):
        """Wait for the script to print a line that fits; gives the match.

        Lines before it, and itself, are not looked at again.
        """
        end = time.monotonic() + timeout
        with self._news:
            while True:
                while self._lines:
                    m = re.search(pattern, self._lines.popleft())
                    if m:
                        return m
                if self._ended:
                    raise self._error(f'ended before it said "{pattern}"')
                left = end - time.monotonic()
                if left <= 0:
                    raise self._error(f'did not say "{pattern}" within '
                                      f'{timeout:g} s')
                self._news.wait(left)

    def cpu_time(self):
        """CPU time in ns that the kernel of a UML guest has taken so far: what
        the programs in it take counts for processes of their own.
        """
        # The CPU clock of a process, as clock_getcpuclockid(3) gives it
        return time.clock_gettime_ns(~self._proc.pid << 3 | 2)

    def alive(self):
        return self._proc is not None and self._proc.poll() is None

    def wait(self, timeout=60):
        """Wait for the guest's end; gives the exit status of its script."""
        try:
            self._proc.wait(timeout)
        except subprocess.TimeoutExpired:
            error = self._error(f'not done within {timeout:g} s, killed')
            self.crash()
            raise error from None
        self.stop()
        try:
            with open(self._status) as f:
                status = int(f.read())
        except (OSError, ValueError):
            raise self._error('died before its script ended') from None
        self.check()
        return status

    def check(self):
        """Raise a GuestError if the kernel complained."""
        found = faults(self.console, self.allow)
        if found:
            raise GuestError(f'guest {self.name}: kernel fault: {found[0]} '
                             f'(see {self.console})')

    def crash(self):
        """Kill the guest as a power failure would."""
        if self.alive():
            os.killpg(self._proc.pid, signal.SIGKILL)
            self._proc.wait()
            for nic in self.nics:
                _Sink.unplug(nic)

    def stop(self):
        """Make sure nothing of the guest is left running."""
        if self._proc:
            self.crash()
            # Its helpers outlive the kernel process for a moment.
            try:
                os.killpg(self._proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            for nic in self.nics:
                _Sink.unplug(nic)
        if self._reader:
            self._reader.join(5)
        if self._sock:
            self._sock.close()
        if self._tmp:
            shutil.rmtree(self._tmp, ignore_errors=True)

    def _error(self, what):
        """What went wrong, with what may tell why."""
        why = f'see {self.results}'
        try:
            found = faults(self.console, self.allow)
            if found:
                why = f'{found[0]} ({why})'
        except OSError:
            pass
        return GuestError(f'guest {self.name}: {what}: {why}')
