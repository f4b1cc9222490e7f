# A real PostgREST with test/rest/postgrest.conf: requests over HTTP under the roles of their tokens.
# POSTGREST names the program when it is not on the PATH.
use strict;
use warnings;
use utf8;

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
$node->init(allows_streaming => 1);
$node->start;
$node->safe_psql(
	'postgres', q(
	CREATE EXTENSION mlaas;
	CREATE ROLE authenticator NOINHERIT LOGIN;
	CREATE ROLE web_anon NOLOGIN;
	CREATE ROLE analyst NOLOGIN;
	CREATE ROLE guest NOLOGIN;
	CREATE ROLE hasty NOLOGIN;
	CREATE ROLE narrow NOLOGIN;
	CREATE ROLE team NOLOGIN;
	CREATE ROLE apart NOLOGIN;
	GRANT web_anon, analyst, guest, hasty, narrow TO authenticator;
	GRANT team TO analyst;
	ALTER ROLE authenticator SET session_preload_libraries = 'mlaas';
	ALTER ROLE hasty SET statement_timeout = '500ms';
	ALTER ROLE narrow SET mlaas.max_memory = '1MB';
	CREATE TABLE points AS SELECT i::float8 AS x, 2.0 * i + 1 AS y, CASE WHEN i <= 20 THEN 'low' ELSE 'high' END AS level FROM generate_series(1, 40) i;
	CREATE TABLE many AS SELECT i::float8 AS x, i % 7 AS z, sqrt(i) AS y FROM generate_series(1, 200000) i;
	CREATE VIEW slow AS SELECT p.* FROM points p, pg_sleep(30);
	CREATE TABLE secret AS TABLE points;
	GRANT SELECT ON points TO analyst, guest, team;
	GRANT SELECT ON slow TO hasty;
	GRANT SELECT ON many TO narrow;
));

my $secret = 'a secret of at least thirty-two characters';
my %servers;
END { $_->{run}->kill_kill for values %servers }

my $http = HTTP::Tiny->new(timeout => 60);
my $json = JSON::PP->new->utf8->allow_nonref;

# A token for a role.
sub token
{
	my ($role, $key) = @_;
	my $text = join '.', map { encode_base64url($json->encode($_)) } { alg => 'HS256', typ => 'JWT' }, { role => $role };

	return $text . '.' . encode_base64url(hmac_sha256($text, $key // $secret));
}

# A request to a server with a token (undef: without one); returns the status, what the body says and the headers.
sub send_to
{
	my ($server, $token, $method, $path, $body, %more) = @_;
	my %headers = ('content-type' => 'application/json', accept => 'application/json', %more);

	$headers{authorization} = "Bearer $token" if defined $token;
	my $reply = $http->request($method, "http://127.0.0.1:$servers{$server}{port}$path",
		{ headers => \%headers, defined $body ? (content => ref $body ? $json->encode($body) : $body) : () });
	return ($reply->{status}, eval { $json->decode($reply->{content}) }, $reply->{headers});
}

# A request to the main server under a role (undef: without a token).
sub request
{
	my ($role, @rest) = @_;

	return send_to('main', defined $role ? token($role) : undef, @rest);
}

# Start PostgREST for a server and wait until it has read the schema.
sub serve
{
	my ($of, %settings) = @_;
	my $name = $of->name;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my ($status, $log) = (0, '');
	local %ENV = (
		%ENV, %settings,
		PGRST_DB_URI => $of->connstr('postgres') . ' user=authenticator',
		PGRST_JWT_SECRET => $secret,
		PGRST_SERVER_PORT => $port);

	my $run = IPC::Run::start([ $program, abs_path("$FindBin::RealBin/../rest/postgrest.conf") ], '<', \undef, '>', \$log, '2>&1');
	$servers{$name} = { run => $run, port => $port };
	for (1 .. 200)
	{
		$run->pump_nb;
		($status) = send_to($name, undef, 'GET', '/');
		last if $status == 200;
		usleep(100_000);
	}
	is($status, 200, "postgrest is up at $name") or BAIL_OUT($log);
	return;
}

# The columns of the models that a role sees.
sub models
{
	my ($role, $query) = @_;

	return (request($role, 'GET', "/models?order=name&$query"))[1];
}

serve($node);

my ($status, $reply, $headers) = request('analyst', 'POST', '/rpc/train',
	{ name => 'line', source => 'points', target => 'y', algorithm => 'linear_regression', features => ['x'], validation => { split => 'none' } });
is($status, 200, 'train');
is_deeply([ @$reply{qw(name version task n_train)} ], [ 'line', 1, 'regression', 40 ], 'the version trained');
($status) = request('analyst', 'POST', '/rpc/train', { name => 'level', source => 'points', target => 'level', features => ['x'] });
is($status, 200, 'train a classifier');
($status, $reply) = request('guest', 'POST', '/rpc/train?select=name,version,deployed',
	{ name => 'größe „neu“', source => 'public."points"', target => 'y', features => ['x'] });
is_deeply($reply, { name => 'größe „neu“', version => 1, deployed => JSON::PP::true }, 'chosen columns of the reply, and a name beyond ASCII');

($status, $reply, $headers) = request('analyst', 'POST', '/rpc/predict', { model => 'line', input => { x => 10 } });
is("$status $headers->{'content-type'}", '200 application/json; charset=utf-8', 'predict for an object');
cmp_ok(abs($reply->{prediction} - 21), '<', 1e-9, 'the prediction');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'line', input => [ { x => 10 }, { x => 20 } ] });
is(join(' ', map { sprintf '%.6f', $_->{prediction} } @$reply), '21.000000 41.000000', 'predictions for an array');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'line', input => [ map { { x => $_ } } reverse 1 .. 5000 ] });
is(scalar(@$reply), 5000, 'as many answers as there are objects');
is_deeply([ grep { abs($reply->[$_]{prediction} - (2 * (5000 - $_) + 1)) > 1e-6 } 0 .. $#$reply ], [], 'in their order');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'line', input => [] });
is($status . ' ' . $json->encode($reply), '200 []', 'no objects, no answers');
($status, $reply) = request('analyst', 'GET', '/rpc/predict?model=line&input=%7B%22x%22%3A10%7D');
cmp_ok(abs($reply->{prediction} - 21), '<', 1e-9, 'predict by GET');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { model => 'level', input => { x => 1 } });
is($reply->{label}, 'low', 'a label');
cmp_ok(abs($reply->{probabilities}{low} + $reply->{probabilities}{high} - 1), '<', 1e-12, 'probabilities');
($status, $reply) = request('guest', 'POST', '/rpc/predict', { model => 'größe „neu“', input => { x => undef } });
is($status, 200, 'null is a missing value');

is_deeply(models('analyst', 'task=eq.regression&select=name,deployed_version'), [ { name => 'line', deployed_version => 1 } ], 'models with a filter');
is_deeply(models('analyst', 'select=name,owner'), [ map { { name => $_, owner => 'analyst' } } qw(level line) ], 'a model belongs to the role of the token');
is_deeply(models('guest', 'select=name,owner'), [ { name => 'größe „neu“', owner => 'guest' } ], 'each role sees its own');
is_deeply(models(undef, ''), [], 'another role sees none of them');
is_deeply(models('analyst', 'name=eq.line&select=features'), [ { features => [ { name => 'x', kind => 'number', type => 'double precision' } ] } ],
	'what an input must have');
(undef, undef, $headers) = request('analyst', 'GET', '/models?limit=1', undef, prefer => 'count=exact');
is($headers->{'content-range'}, '0-0/2', 'models are counted and paged');

# what is asked, and the status, SQLSTATE and text (of the message or the hint) that come back
my %line = (model => 'line', input => { x => 10 });
my %train = (name => 'failed', source => 'points', target => 'y');
for (
	[ 'a model of another role, without a token', undef, '/rpc/predict', \%line, '401 42501', qr/model line/ ],
	[ 'a model of another role', 'guest', '/rpc/predict', \%line, '403 42501', qr/model line/ ],
	[ 'an unknown model', 'analyst', '/rpc/predict', { %line, model => 'lime' }, '400 42704', qr/Perhaps you meant the model "line"/ ],
	[ 'an unknown version', 'analyst', '/rpc/predict', { %line, model => 'line@7' }, '400 42704', qr/no version 7/ ],
	[ 'an unknown alias', 'analyst', '/rpc/predict', { %line, model => 'line@prod' }, '400 42704', qr/"production"/ ],
	[ 'a missing feature', 'analyst', '/rpc/predict', { %line, input => { z => 10 } }, '400 22023', qr/lacks the feature "x"/ ],
	[ 'a missing feature in an array', 'analyst', '/rpc/predict', { %line, input => [ { x => 1 }, {} ] }, '400 22023', qr/lacks the feature "x"/ ],
	[ 'a text where a number belongs', 'analyst', '/rpc/predict', { %line, input => { x => 'ten' } }, '400 22023', qr/"x" must be a number/ ],
	[ 'a number beyond double precision', 'analyst', '/rpc/predict', '{"model":"line","input":{"x":1e400}}', '400 22003', qr/"x" is infinite/ ],
	[ 'values without names', 'analyst', '/rpc/predict', { %line, input => [10] }, '400 22023', qr/must be objects/ ],
	[ 'input that is no object', 'analyst', '/rpc/predict', { %line, input => 'ten' }, '400 22023', qr/object or an array/ ],
	[ 'no input', 'analyst', '/rpc/predict', { model => 'line' }, '404 PGRST202', qr/predict\(input, model\)/ ],
	[ 'an argument that there is not', 'analyst', '/rpc/predict', { %line, alias => 'x' }, '404 PGRST202', qr/predict\(input, model\)/ ],
	[ 'a body that is no JSON', 'analyst', '/rpc/predict', '{"model":"line"', '400 PGRST102', qr/json/ ],
	[ 'SQL text as the source', 'analyst', '/rpc/train', { %train, source => 'SELECT x, y FROM points' }, '400 22023', qr/name of a table or view/ ],
	[ 'more than a name', 'analyst', '/rpc/train', { %train, source => 'points; DROP TABLE points' }, '400 22023', qr/name of a table or view/ ],
	[ 'an unknown table', 'analyst', '/rpc/train', { %train, source => 'point' }, '404 42P01', qr/the relation points/ ],
	[ 'a table without rights', 'analyst', '/rpc/train', { %train, source => 'secret' }, '403 42501', qr/table secret/ ],
	[ 'a table without rights, without a token', undef, '/rpc/train', \%train, '401 42501', qr/table points/ ],
	[ 'an unknown target', 'analyst', '/rpc/train', { %train, target => 'yy' }, '400 42703', qr/There is: "x", "y", "level"/ ],
	[ 'an unknown algorithm', 'analyst', '/rpc/train', { %train, algorithm => 'linear_regresion' }, '400 42704', qr/"linear_regression"/ ],
	[ 'an unknown parameter', 'analyst', '/rpc/train', { %train, params => { l3 => 1 } }, '400 42704', qr/the parameter "l2"/ ],
	[ 'a parameter out of range', 'analyst', '/rpc/train', { %train, params => { l2 => -1 } }, '400 22023', qr/out of range: -1/ ],
	[ 'an unknown deploy', 'analyst', '/rpc/train', { %train, deploy => 'often' }, '400 22023', qr/"if_better"/ ],
	[ 'no name', 'analyst', '/rpc/train', { %train, name => undef }, '400 22004', qr/name must not be NULL/ ],
	[ 'the name of a model of another role', 'guest', '/rpc/train', { %train, name => 'line' }, '403 42501', qr/model line/ ],
	[ 'more time than a setting of the role allows', 'hasty', '/rpc/train', { %train, source => 'slow' }, '500 57014', qr/statement timeout/ ],
	[ 'more memory than a setting of the role allows', 'narrow', '/rpc/train', { %train, source => 'many' }, '500 54000', qr/mlaas\.max_memory/ ],
	[ 'a role that the authenticator is not in', 'apart', '/rpc/predict', \%line, '403 42501', qr/role "apart"/ ],
	[ 'a function that is not exposed', 'analyst', '/rpc/ml_drop', { name => 'line' }, '404 PGRST202', qr/mlaas_api\.ml_drop/ ],)
{
	my ($what, $role, $path, $body, $expected, $text) = @$_;

	($status, $reply) = request($role, 'POST', $path, $body);
	is("$status $reply->{code}", $expected, $what);
	like(join(' ', map { $_ // '' } @$reply{qw(message hint)}), $text, 'which is said');
}
is(scalar(@{ models('analyst', '') }), 2, 'what failed leaves no model');
($status, $reply) = send_to('main', token('analyst', 'another key of at least thirty-two characters'), 'POST', '/rpc/predict', \%line);
is("$status $reply->{code}", '401 PGRST301', 'a token of another key');
($status, $reply) = request('analyst', 'GET', '/rpc/train?name=failed&source=points&target=y');
is("$status $reply->{code}", '405 25006', 'GET trains nothing');
($status) = request('analyst', 'GET', '/versions');
is($status, 404, 'the registry itself is not exposed');
($status) = request('analyst', 'GET', '/models', undef, 'accept-profile' => 'mlaas');
is($status, 406, 'nor by the name of its schema');

# connections keep opened models: what is deployed and who may use it is looked up each time
$node->safe_psql('postgres', q(SET ROLE team; SELECT ml_train('shared', 'points', 'y', features => '{x}', validation => '{"split": "none"}');
	SELECT ml_train('shared', 'points', 'y', 'baseline', features => '{x}', validation => '{"split": "none"}')));
my %shared = (model => 'shared', input => { x => 10 });
($status, $reply) = request('analyst', 'POST', '/rpc/predict', \%shared);
is($status . ' ' . sprintf('%.6f', $reply->{prediction}), '200 21.000000', 'a model of a role that one is in');
$node->safe_psql('postgres', q(SELECT ml_deploy('shared', 2)));
($status, $reply) = request('analyst', 'POST', '/rpc/predict', \%shared);
is($status . ' ' . sprintf('%.6f', $reply->{prediction}), '200 42.000000', 'the next request uses what is deployed');
$node->safe_psql('postgres', q(REVOKE team FROM analyst));
($status, $reply) = request('analyst', 'POST', '/rpc/predict', \%shared);
is("$status $reply->{code}", '403 42501', 'a right that was taken away is gone');

# the description
($status, $reply) = request('analyst', 'GET', '/');
is_deeply([ sort keys %{ $reply->{paths} } ], [ '/', '/models', '/rpc/predict', '/rpc/train' ], 'what the description has');
is_deeply([ map { [ sort grep { $_ ne 'parameters' } keys %{ $reply->{paths}{$_} } ] } '/models', '/rpc/predict', '/rpc/train' ],
	[ ['get'], [ 'get', 'post' ], ['post'] ], 'and by which methods');
my ($predict, $train) = map { $reply->{paths}{"/rpc/$_"}{post} } qw(predict train);
like($predict->{summary}, qr/^Predict/, 'with the summary of its comment');
like($train->{summary}, qr/^Train/, 'and that of the other');
is_deeply([ map { my $call = $_; [ sort @{ $call->{parameters}[0]{schema}{required} } ] } $predict, $train ], [ [ 'input', 'model' ], [ 'name', 'source' ] ],
	'and the arguments that must be given');
for my $call ($predict, $train)
{
	is_deeply([ grep { $call->{description} !~ /\b\Q$_\E\b/ } keys %{ $call->{parameters}[0]{schema}{properties} } ], [], 'its text explains every argument');
}
my $columns = $reply->{definitions}{models}{properties};
is_deeply([ grep { !$columns->{$_}{description} } keys %$columns ], [], 'every column of models is described');

$node->safe_psql('postgres', q(REVOKE EXECUTE ON FUNCTION mlaas_api.train FROM PUBLIC; GRANT EXECUTE ON FUNCTION mlaas_api.train TO analyst));
($status, $reply) = request('guest', 'POST', '/rpc/train', { %train, name => 'guest' });
is("$status $reply->{code}", '403 42501', 'who may train can be chosen');
($status, $reply) = request('guest', 'GET', '/');
ok(!exists $reply->{paths}{'/rpc/train'}, 'and others are not told of it');
($status) = request('analyst', 'POST', '/rpc/train', { %train, name => 'chosen' });
is($status, 200, 'the chosen one may');

# a standby
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
serve($standby, PGRST_DB_CHANNEL_ENABLED => 'false');
($status, $reply) = send_to('standby', token('analyst'), 'POST', '/rpc/predict', \%line);
is($status . ' ' . sprintf('%.6f', $reply->{prediction}), '200 21.000000', 'a standby predicts');
($status, $reply) = send_to('standby', token('analyst'), 'POST', '/rpc/train', \%train);
is("$status $reply->{code}", '400 0A000', 'and does not train');

# a new extension: PostgREST is told to read the schema again
$node->safe_psql('postgres', q(DROP EXTENSION mlaas; CREATE EXTENSION mlaas; NOTIFY pgrst, 'reload schema'));
$status = 0;
for (1 .. 200)
{
	($status, $reply) = request('guest', 'POST', '/rpc/train', { %train, name => 'again', validation => { split => 'none' } });
	last if $status == 200;
	usleep(100_000);
}
is("$status $reply->{version}", '200 1', 'the extension made anew is served');
($status, $reply) = request('guest', 'POST', '/rpc/predict', { model => 'again', input => { x => 10, level => 'low' } });
is($status, 200, 'and predicts');

$_->{run}->kill_kill for values %servers;
%servers = ();
$standby->stop;
$node->stop;
done_testing();
