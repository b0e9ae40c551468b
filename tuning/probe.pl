# Tries what a shell cannot: opens sockets, listens, binds. verify calls it; prints `word|what|detail|number`.
# perl probe.pl COUNT LOWEST HIGHEST: so many sockets, and the first and last port of the range.
use strict;
use warnings;
use Socket;

# What was found is told even where the rest cannot be tried.
$| = 1;

# Ends with what could not be tried, and why.
sub ends {
    my ($what, $why) = @_;
    print "fail|probe: $what|$why\n";
    exit 0;
}

my ($count, $lowest, $highest) = @ARGV;

# Sockets, all open at once.
my @open;
while (@open < $count) {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or last;
    push @open, $socket;
}
my $got = @open;
# perl itself, and the shell that started it, hold a few.
my $word = $got >= $count - 16 ? "ok" : "fail";
print "$word|probe: sockets|$got of $count open at once", $got < $count ? ": $!" : "", "|$got\n";
@open = ();

# The queue a listener gets, as the kernel reports it: tcpi_sacked of a listening socket is its length
# (include/uapi/linux/tcp.h; ss -ltn shows it as Send-Q).
socket(my $listener, PF_INET, SOCK_STREAM, 0) or ends("queue", "no socket: $!");
bind($listener, pack_sockaddr_in(0, INADDR_LOOPBACK)) or ends("queue", "no listener on 127.0.0.1: $!");
listen($listener, 65535) or ends("queue", "cannot listen: $!");
my $tcp_info = getsockopt($listener, 6, 11) or ends("queue", "the kernel does not say (TCP_INFO): $!");
my $queue = unpack("L", substr($tcp_info, 28, 4));
print "ok|probe: queue|a listener that asks for 65535 gets $queue|$queue\n";

# Both ends of the range can be a connection's own port.
my $target = getsockname($listener);
my $loopback = "is the interface lo up? (ip link set lo up)";
# Over loopback it is a matter of microseconds; where the interface was taken down it is minutes.
local $SIG{ALRM} = sub { ends("ports", "no connection over loopback within 5 s: $loopback") };
alarm 5;
for my $end ([$lowest, 1], [$highest, -1]) {
    my ($port, $step) = @$end;
    my $why = "";
    my $connected;
    # Some may be in use, or reserved.
    for (1 .. 64) {
        socket(my $client, PF_INET, SOCK_STREAM, 0) or ends("ports", "no socket: $!");
        if (bind($client, pack_sockaddr_in($port, INADDR_LOOPBACK)) && connect($client, $target)) {
            $connected = $port;
            last;
        }
        $why = "$!";
        # Then no other port is any better.
        ends("ports", "$why: $loopback") if $!{ENETUNREACH};
        $port += $step;
    }
    print $connected
        ? "ok|probe: ports|connected from port $connected|$connected\n"
        : "fail|probe: ports|no connection from a port near $end->[0]: $why|0\n";
}
