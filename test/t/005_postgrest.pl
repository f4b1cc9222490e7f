# A real PostgREST with test/rest/postgrest.conf: requests over HTTP under the roles of their tokens.
# POSTGREST names the program when it is not on the PATH.
use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256);
use File::Spec;
use FindBin;
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP;
use MIME::Base64 qw(encode_base64url);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my ($program) = grep { -x } $ENV{POSTGREST} // (), map { File::Spec->catfile($_, 'postgrest') } File::Spec->path;
plan skip_all => 'postgrest is not on the PATH, nor does POSTGREST name it' if !defined $program;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql(
	'postgres', q(
	CREATE EXTENSION mlaas;
	CREATE ROLE authenticator NOINHERIT LOGIN;
	CREATE ROLE web_anon NOLOGIN;
	CREATE ROLE analyst NOLOGIN;
	GRANT web_anon, analyst TO authenticator;
	CREATE TABLE points AS SELECT i::float8 AS x, 2.0 * i + 1 AS y, CASE WHEN i <= 20 THEN 'low' ELSE 'high' END AS level FROM generate_series(1, 40) i;
	GRANT SELECT ON points TO analyst;
));

my $secret = 'a secret of at least thirty-two characters';
my $port = PostgreSQL::Test::Cluster::get_free_port();
local $ENV{PGRST_DB_URI} = $node->connstr('postgres') . ' user=authenticator';
local $ENV{PGRST_JWT_SECRET} = $secret;
local $ENV{PGRST_SERVER_PORT} = $port;
my $log = '';
my $server = IPC::Run::start([ $program, abs_path("$FindBin::RealBin/../rest/postgrest.conf") ], '<', \undef, '>', \$log, '2>&1');
END { $server->kill_kill if defined $server }

my $http = HTTP::Tiny->new(timeout => 30);
my $json = JSON::PP->new->utf8->allow_nonref;

# A token for a role.
sub token
{
	my $text = join '.', map { encode_base64url($json->encode($_)) } { alg => 'HS256', typ => 'JWT' }, { role => $_[0] };

	return $text . '.' . encode_base64url(hmac_sha256($text, $secret));
}

# A request under a role (undef: without a token); returns the status and what the body says.
sub request
{
	my ($role, $method, $path, $body) = @_;
	my %headers = ('content-type' => 'application/json', accept => 'application/json');

	$headers{authorization} = 'Bearer ' . token($role) if defined $role;
	my $reply = $http->request($method, "http://127.0.0.1:$port$path",
		{ headers => \%headers, defined $body ? (content => $json->encode($body)) : () });
	return ($reply->{status}, eval { $json->decode($reply->{content}) });
}

my $up = 0;
for (1 .. 200)
{
	$server->pump_nb;
	($up) = request(undef, 'GET', '/');
	last if $up == 200;
	usleep(100_000);
}
is($up, 200, 'postgrest is up') or BAIL_OUT($log);

my ($status, $reply) = request('analyst', 'POST', '/rpc/train',
	{ name => 'line', source => 'points', target => 'y', algorithm => 'linear_regression', features => ['x'], validation => { split => 'none' } });
is($status, 200, 'train');
is_deeply([ @$reply{qw(name version task n_train)} ], [ 'line', 1, 'regression', 40 ], 'the version trained');
($status) = request('analyst', 'POST', '/rpc/train', { name => 'level', source => 'points', target => 'level', features => ['x'] });
is($status, 200, 'train a classifier');

($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'line', input => { x => 10 } });
is($status, 200, 'predict for an object');
cmp_ok(abs($reply->{prediction} - 21), '<', 1e-9, 'the prediction');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'line', input => [ { x => 10 }, { x => 20 } ] });
is(join(' ', map { sprintf '%.6f', $_->{prediction} } @$reply), '21.000000 41.000000', 'predictions for an array');
($status, $reply) = request('analyst', 'GET', '/rpc/predict?model=line&input=%7B%22x%22%3A10%7D');
cmp_ok(abs($reply->{prediction} - 21), '<', 1e-9, 'predict by GET');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'level', input => { x => 1 } });
is($reply->{label}, 'low', 'a label');
cmp_ok(abs($reply->{probabilities}{low} + $reply->{probabilities}{high} - 1), '<', 1e-12, 'probabilities');

($status, $reply) = request('analyst', 'GET', '/models?task=eq.regression&select=name,deployed_version');
is_deeply($reply, [ { name => 'line', deployed_version => 1 } ], 'models with a filter');
($status, $reply) = request(undef, 'GET', '/models');
is_deeply($reply, [], 'another role sees none of them');

($status, $reply) = request(undef, 'POST', '/rpc/predict', { model => 'line', input => { x => 10 } });
is("$status $reply->{code}", '401 42501', 'nor may it predict');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'lime', input => { x => 10 } });
is("$status $reply->{code}", '400 42704', 'an unknown model');
like($reply->{hint}, qr/"line"/, 'the hint names the nearest');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'line', input => { z => 10 } });
is("$status $reply->{code}", '400 22023', 'a missing feature');
($status, $reply) = request('analyst', 'POST', '/rpc/train', { name => 'sql', source => 'SELECT x, y FROM points', target => 'y' });
is("$status $reply->{code}", '400 22023', 'SQL text is no source');
($status, $reply) = request(undef, 'POST', '/rpc/train', { name => 'anon', source => 'points', target => 'y' });
is("$status $reply->{code}", '401 42501', 'a table without rights is no source');

($status, $reply) = request('analyst', 'GET', '/');
ok(exists $reply->{paths}{$_}, "the description has $_") for '/models', '/rpc/predict', '/rpc/train';
like($reply->{paths}{'/rpc/predict'}{post}{summary}, qr/Predict/, 'with the summary of its comment');

$server->kill_kill;
undef $server;
$node->stop;
done_testing();
