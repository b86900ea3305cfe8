use strict;
use warnings;
use LWP::UserAgent;

my ($base, $path) = @ARGV;
my $agent = LWP::UserAgent->new(keep_alive => 1, timeout => 60);

sub answer {
	my ($name, $got, $show) = @_;
	print join(' ', $name, $got->code, $show ? length $got->content : ()), "\n";
}
open my $file, '<:raw', $path or die $!;
my $body = do { local $/; <$file> };
answer('get', $agent->get("$base/public/v1/documents"));
answer('post', $agent->post("$base/public/v1/documents", 'Content-Type' => 'application/json', Content => '{"name":"client"}'));
answer('upload', $agent->post("$base/public/v1/documents?upload", 'Content-Type' => 'application/octet-stream', Content => $body));
answer('download', $agent->get("$base/public/v1/documents/id/download"), 1);
answer('delete', $agent->delete("$base/public/v1/documents/id"));
