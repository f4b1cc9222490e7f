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
	ALTER ROLE hasty SET mlaas.max_request_rows = 100;
	ALTER ROLE hasty SET mlaas.max_request_size = '4kB';
	ALTER ROLE narrow SET mlaas.max_memory = '1MB';
	CREATE TABLE points AS SELECT i::float8 AS x, 2.0 * i + 1 AS y, CASE WHEN i <= 20 THEN 'low' ELSE 'high' END AS level FROM generate_series(1, 40) i;
	CREATE TABLE many AS SELECT i::float8 AS x, i % 7 AS z, sqrt(i) AS y FROM generate_series(1, 200000) i;
	CREATE VIEW slow AS SELECT p.* FROM points p, pg_sleep(30);
	CREATE VIEW slow_view AS SELECT p.* FROM points p, pg_sleep(60);
	CREATE TABLE secret AS TABLE points;
	GRANT SELECT ON points TO analyst, guest, team;
	GRANT SELECT ON slow TO hasty;
	GRANT SELECT ON slow_view TO analyst;
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

# What a request to the main server under a role answers, as it is.
sub content
{
	my ($role, $method, $path, $body, %more) = @_;
	my $reply = $http->request($method, "http://127.0.0.1:$servers{main}{port}$path", {
		headers => { 'content-type' => 'application/json', authorization => 'Bearer ' . token($role), %more },
		content => ref $body ? $json->encode($body) : $body });

	$reply->{content} =~ s/\n\z//;
	return $reply->{content};
}

# A request to the main server under a role (undef: without a token).
sub request
{
	my ($role, @rest) = @_;

	return send_to('main', defined $role ? token($role) : undef, @rest);
}

# Wait until a test holds.
sub wait_for
{
	my ($what, $test) = @_;

	for (1 .. 100)
	{
		return pass($what) if $test->();
		usleep(100_000);
	}
	return fail($what);
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
	{ name => 'line', source => 'points', target => 'y', algorithm => 'linear_regression', features => ['x'], validation => { split => 'none' }, wait => JSON::PP::true });
is($status, 200, 'train');
is_deeply([ @$reply{qw(name version task n_train)} ], [ 'line', 1, 'regression', 40 ], 'the version trained');
($status) = request('analyst', 'POST', '/rpc/train', { name => 'level', source => 'points', target => 'level', features => ['x'], wait => JSON::PP::true });
is($status, 200, 'train a classifier');
($status, $reply) = request('guest', 'POST', '/rpc/train?select=name,version,deployed',
	{ name => 'größe „neu“', source => 'public."points"', target => 'y', features => ['x'], wait => JSON::PP::true });
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

$node->safe_psql('postgres', q(SET ROLE analyst; SELECT ml_grant('line', 'hasty', 'predict')));

# what is asked, and the status, SQLSTATE and text (of the message or the hint) that come back
my %line = (model => 'line', input => { x => 10 });
my %train = (name => 'failed', source => 'points', target => 'y', wait => JSON::PP::true);
for (
	[ 'a model of another role, without a token', undef, '/rpc/predict', \%line, '401 42501', qr/model line/ ],
	[ 'a model of another role', 'guest', '/rpc/predict', \%line, '403 42501', qr/model line/ ],
	[ 'an unknown model', 'analyst', '/rpc/predict', { %line, model => 'lime' }, '404 42704', qr/Perhaps you meant the model "line"/ ],
	[ 'an unknown version', 'analyst', '/rpc/predict', { %line, model => 'line@7' }, '404 42704', qr/no version 7/ ],
	[ 'an unknown alias', 'analyst', '/rpc/predict', { %line, model => 'line@prod' }, '404 42704', qr/"production"/ ],
	[ 'a missing feature', 'analyst', '/rpc/predict', { %line, input => { z => 10 } }, '422 22023', qr/lacks the feature "x"/ ],
	[ 'a missing feature in an array', 'analyst', '/rpc/predict', { %line, input => [ { x => 1 }, {} ] }, '422 22023', qr/lacks the feature "x"/ ],
	[ 'a text where a number belongs', 'analyst', '/rpc/predict', { %line, input => { x => 'ten' } }, '422 22023', qr/"x" must be a number/ ],
	[ 'a number beyond double precision', 'analyst', '/rpc/predict', '{"model":"line","input":{"x":1e400}}', '422 22003', qr/"x" is infinite/ ],
	[ 'a wrong value in an array, whose place is told in the details', 'analyst', '/rpc/predict', { %line, input => [ { x => 1 }, { x => 'two' } ] }, '422 22023', qr/"x" must be a number/ ],
	[ 'rows that are no array', 'analyst', '/rpc/predict_batch', { model => 'line', rows => { x => 1 } }, '422 22023', qr/must be a JSON array/ ],
	[ 'rows of an unknown model', 'analyst', '/rpc/predict_batch', { model => 'lime', rows => [] }, '404 42704', qr/"line"/ ],
	[ 'more rows than a setting of the role allows', 'hasty', '/rpc/predict', { %line, input => [ map { { x => $_ } } 1 .. 101 ] }, '413 54000', qr/mlaas\.max_request_rows/ ],
	[ 'more rows in a batch', 'hasty', '/rpc/predict_batch', { model => 'line', rows => [ map { { x => $_ } } 1 .. 101 ] }, '413 54000', qr/101 rows/ ],
	[ 'more bytes than a setting of the role allows', 'hasty', '/rpc/predict', { %line, input => { x => 1, more => 'x' x 5000 } }, '413 54000', qr/mlaas\.max_request_size/ ],
	[ 'values without names', 'analyst', '/rpc/predict', { %line, input => [10] }, '422 22023', qr/must be objects/ ],
	[ 'input that is no object', 'analyst', '/rpc/predict', { %line, input => 'ten' }, '422 22023', qr/object or an array/ ],
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
	[ 'more memory than a setting of the role allows', 'narrow', '/rpc/train', { %train, source => 'many' }, '413 54000', qr/mlaas\.max_memory/ ],
	[ 'a deploy of an unknown version', 'analyst', '/rpc/deploy', { model => 'line', version => 9 }, '404 42704', qr/no version 9/ ],
	[ 'a deploy of a model of another role', 'guest', '/rpc/deploy', { model => 'line', version => 1 }, '403 42501', qr/model line/ ],
	[ 'a rollback with nothing before', 'analyst', '/rpc/rollback', { model => 'line' }, '409 55000', qr/nothing to roll back/ ],
	[ 'a rollback of an unknown alias', 'analyst', '/rpc/rollback', { model => 'line', alias => 'best' }, '404 42704', qr/"best"/ ],
	[ 'a comparison with an unknown version', 'analyst', '/rpc/compare', { model => 'line', version => 1, other => 9 }, '404 42704', qr/no version 9/ ],
	[ 'a description of an unknown model', 'analyst', '/rpc/describe', { model => 'lime' }, '404 42704', qr/"line"/ ],
	[ 'a description of a model of another role', 'guest', '/rpc/describe', { model => 'line' }, '403 42501', qr/model line/ ],
	[ 'SQL text to evaluate on', 'analyst', '/rpc/evaluate', { model => 'line', source => 'SELECT 1' }, '400 22023', qr/name of a table or view/ ],
	[ 'an unknown model to evaluate', 'analyst', '/rpc/evaluate', { model => 'lime', source => 'points' }, '404 42704', qr/"line"/ ],
	[ 'a table without rights to evaluate on', 'analyst', '/rpc/evaluate', { model => 'line', source => 'secret' }, '403 42501', qr/table secret/ ],
	[ 'a key of a model that is not published', 'analyst', '/rpc/predict_by_key', { model => 'line', key => 1 }, '409 55000', qr/not published/ ],
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
($status) = request('analyst', 'GET', '/event');
is($status, 404, 'the registry itself is not exposed');
($status) = request('analyst', 'GET', '/models', undef, 'accept-profile' => 'mlaas');
is($status, 406, 'nor by the name of its schema');
($status, $reply) = request('analyst', 'POST', '/rpc/predict', { %line, input => [ { x => 1 }, { x => 'two' } ] });
like($reply->{details}, qr/element 2 of the JSON array/, 'an error in an array tells the element');
($status, $reply) = request('hasty', 'POST', '/rpc/predict', { %line, input => [ map { { x => $_ } } 1 .. 100 ] });
is($status . ' ' . scalar(@$reply), '200 100', 'a bound is the last number allowed');

# rows of the answer: selected, filtered, ordered, as CSV; the body parsed by PostgREST or passed on
my @rows = map { { x => $_, id => "row $_" } } 1 .. 50;
for my $columns ('', 'columns=model,rows,key&')
{
	($status, $reply) = request('analyst', 'POST', "/rpc/predict_batch?${columns}select=key,prediction&prediction=gt.96&order=prediction.desc",
		{ model => 'line', rows => \@rows, key => 'id' });
	is($status, 200, 'a batch');
	is(join(', ', map { sprintf '%s %.6f', @$_{qw(key prediction)} } @$reply), 'row 50 101.000000, row 49 99.000000, row 48 97.000000', 'selected, filtered and ordered');
}
($status, $reply) = request('analyst', 'POST', '/rpc/predict_batch?select=key,label', { model => 'level', rows => [ { x => 1 }, undef, { x => 40 } ] });
is_deeply($reply, [ { key => '1', label => 'low' }, { key => '2', label => undef }, { key => '3', label => 'high' } ], 'numbers of rows, and null for null');
is(content('analyst', 'POST', '/rpc/predict_batch?select=key,label', { model => 'level', rows => [ { x => 1 }, { x => 40 } ] }, accept => 'text/csv'),
	"key,label\n1,low\n2,high", 'as CSV');

# what there is, and judging and deploying it
($status, $reply) = request('analyst', 'POST', '/rpc/train', { name => 'line', source => 'points', target => 'y', algorithm => 'baseline', features => ['x'], validation => { split => 'none' }, wait => JSON::PP::true });
is("$status $reply->{version}", '200 2', 'another version');
($status, $reply) = request('analyst', 'POST', '/rpc/compare?metric=eq.r2', { model => 'line', version => 1, other => 2 });
is_deeply([ map { [ $_->{metric}, map { 0 + sprintf '%.6f', $_ } @$_{qw(value other_value difference)} ] } @$reply ], [ [ 'r2', 1, 0, -1 ] ], 'two versions compared');
($status, $reply) = request('analyst', 'POST', '/rpc/evaluate?metric=eq.rmse', { model => 'line', source => 'points' });
cmp_ok($reply->[0]{value}, '<', 1e-6, 'evaluated on a table');
($status, $reply) = request('analyst', 'POST', '/rpc/describe', { model => 'line@1' });
is("$status $reply->{algorithm}", '200 linear_regression', 'described');
($status, $reply) = request('analyst', 'POST', '/rpc/deploy', { model => 'line', version => 2, reason => 'a try' });
is_deeply([ $status, @$reply{qw(name alias version previous_version)} ], [ 200, 'line', 'production', 2, 1 ], 'deployed');
($status, $reply) = request('analyst', 'POST', '/rpc/rollback', { model => 'line' });
is_deeply([ $status, @$reply{qw(version previous_version)} ], [ 200, 1, 2 ], 'rolled back');
($status, $reply) = request('analyst', 'GET', '/history?name=eq.line&order=number&select=action,version,reason,who');
is(join(', ', map { join ' ', grep { defined } @$_{qw(action version reason who)} } @$reply),
	"train 1 analyst, deploy 1 trained with deploy => 'first' analyst, grant analyst, train 2 analyst, deploy 2 a try analyst, rollback 1 analyst", 'the history');
($status, $reply) = request('analyst', 'GET', '/deployments?select=name,alias,version&order=name');
is_deeply($reply, [ { name => 'level', alias => 'production', version => 1 }, { name => 'line', alias => 'production', version => 1 } ], 'what is deployed');
($status, $reply) = request('analyst', 'GET', '/versions?name=eq.line&select=version,algorithm,aliases&order=version');
is_deeply($reply, [ { version => 1, algorithm => 'linear_regression', aliases => ['production'] }, { version => 2, algorithm => 'baseline', aliases => undef } ], 'the versions');
($status, $reply) = request('analyst', 'GET', '/metrics?name=eq.line&metric=eq.r2&select=version,value&order=version');
is_deeply([ map { [ $_->{version}, 0 + sprintf '%.6f', $_->{value} ] } @$reply ], [ [ 1, 1 ], [ 2, 0 ] ], 'the metrics');
($status, $reply) = request(undef, 'GET', '/algorithms?name=eq.linear_regression');
ok((grep { $_->{name} eq 'l2' && $_->{description} } @{ $reply->[0]{parameters} }), 'the algorithms and their parameters');
for my $view (qw(versions metrics deployments history))
{
	is_deeply((request('guest', 'GET', "/$view?name=neq.gr%C3%B6%C3%9Fe%20%E2%80%9Eneu%E2%80%9C"))[1], [], "others see nothing in $view");
}

# jobs: the answer has the address
($status, $reply, $headers) = request('analyst', 'POST', '/rpc/train', { name => 'queued', source => 'points', target => 'y', algorithm => 'linear_regression', features => ['x'] });
is("$status $reply->{state}", '202 queued', 'a training is queued');
is($headers->{location}, "/jobs?job=eq.$reply->{job}", 'and its address told');
my $address = $headers->{location};
wait_for('it is done', sub { (request('analyst', 'GET', $address))[1][0]{state} eq 'succeeded' });
is((request('analyst', 'GET', $address))[1][0]{version}, 1, 'with its version');
is_deeply((request('guest', 'GET', $address))[1], [], 'others do not see it');
($status, $reply) = request('analyst', 'POST', '/rpc/cancel', { job => $reply->{job} });
is("$status $reply", '200 0', 'too late to cancel it');
($status, $reply) = request('analyst', 'POST', '/rpc/cancel', { job => 999 });
is("$status $reply->{code}", '404 42704', 'no such job');
($status, $reply, $headers) = request('analyst', 'POST', '/rpc/train', { name => 'stopped', source => 'slow_view', target => 'y' });
is($status, 202, 'another one, which takes long');
$address = $headers->{location};
($status, $reply) = request('guest', 'POST', '/rpc/cancel', { job => $reply->{job} });
is("$status $reply->{code}", '403 42501', 'is not for others to cancel');
($status, $reply) = request('analyst', 'POST', '/rpc/cancel', { job => ($address =~ /([0-9]+)$/)[0] });
is("$status $reply", '200 1', 'is cancelled');
wait_for('and ends', sub { (request('analyst', 'GET', $address))[1][0]{state} eq 'cancelled' });

$node->append_conf('postgresql.conf', "mlaas.max_workers = 0\nmlaas.max_queued_jobs = 1");
$node->reload;
wait_for('a queue is full', sub { ($status, $reply) = request('analyst', 'POST', '/rpc/train', { name => 'more', source => 'points', target => 'y' }); $status == 429 });
is("$status $reply->{code}", '429 53400', 'and takes no more');
like($reply->{hint}, qr/Wait until some are over/, 'which the hint explains');
$node->safe_psql('postgres', "SELECT ml_cancel(job) FROM mlaas.jobs WHERE state = 'queued'");
$node->append_conf('postgresql.conf', "mlaas.max_workers = 2\nmlaas.max_queued_jobs = 1000");
$node->reload;

# a function of its own, with the features as arguments
$node->safe_psql('postgres', q(CREATE TABLE keyed (id int PRIMARY KEY, x float8); INSERT INTO keyed SELECT i, i FROM generate_series(1, 40) i;
	GRANT SELECT ON keyed TO analyst; SET ROLE analyst; SELECT ml_publish('level', source => 'keyed', key => 'id')));
wait_for('a published function is served', sub { (request('analyst', 'POST', '/rpc/level', { x => 1 }))[0] == 200 });
($status, $reply) = request('analyst', 'POST', '/rpc/level?select=label', { x => 1 });
is_deeply($reply, [ { label => 'low' } ], 'it predicts');
($status, $reply) = request('analyst', 'GET', '/rpc/level?x=40&select=label');
is_deeply($reply, [ { label => 'high' } ], 'by GET too');
is(content('analyst', 'POST', '/rpc/level?select=label', "x\n40\n", 'content-type' => 'text/csv', accept => 'text/csv'), "label\nhigh", 'from and to CSV');
($status, $reply) = request('analyst', 'POST', '/rpc/level', { x => 'one' });
is("$status $reply->{code}", '400 22P02', 'an argument of another type');
($status, $reply) = request('analyst', 'POST', '/rpc/level', {});
is("$status $reply->{code}", '404 PGRST202', 'a missing argument');
($status, $reply) = request('guest', 'POST', '/rpc/level', { x => 1 });
is("$status $reply->{code}", '403 42501', 'it takes the right to predict with the model');
($status, $reply) = request('analyst', 'GET', '/');
is($reply->{paths}{'/rpc/level'}{post}{parameters}[0]{schema}{properties}{x}{format}, 'double precision', 'the description has its arguments');
is_deeply($reply->{paths}{'/rpc/level'}{post}{parameters}[0]{schema}{required}, ['x'], 'and what must be given');
is_deeply(models('analyst', 'name=eq.level&select=function,key'), [ { function => 'level', key => 'id' } ], 'the model tells of it');
($status, $reply) = request('analyst', 'POST', '/rpc/predict_by_key', { model => 'level', key => 7 });
is("$status $reply->{label}", '200 low', 'a prediction by key');
($status, $reply) = request('analyst', 'POST', '/rpc/predict_by_key', { model => 'level', key => 70 });
is("$status $reply->{code}", '404 P0002', 'a key without a row');
($status, $reply) = request('analyst', 'POST', '/rpc/predict_by_key', { model => 'level', key => 'seven' });
is("$status $reply->{code}", '422 22P02', 'a key of another type');
$node->safe_psql('postgres', q(SET ROLE analyst; SELECT ml_grant('level', 'guest', 'predict')));
($status, $reply) = request('guest', 'POST', '/rpc/level?select=label', { x => 1 });
is_deeply($reply, [ { label => 'low' } ], 'a right that is given counts at once');
($status, $reply) = request('guest', 'POST', '/rpc/predict_by_key', { model => 'level', key => 7 });
is("$status $reply->{code}", '403 42501', 'but does not reach the table of the keys');
$node->safe_psql('postgres', q(SET ROLE analyst; SELECT ml_revoke('level', 'guest', 'predict'); SELECT ml_train('level', 'SELECT x AS size, level FROM points', 'level', features => '{size}', deploy => 'always');));
wait_for('a deploy of other features renews it', sub { (request('analyst', 'POST', '/rpc/level', { size => 1 }))[0] == 200 });
($status) = request('analyst', 'POST', '/rpc/level', { x => 1 });
is($status, 404, 'and the old arguments are gone');
($status, $reply) = request('analyst', 'POST', '/rpc/rollback', { model => 'level' });
is("$status $reply->{version}", '200 1', 'a rollback by REST');
wait_for('renews it back', sub { (request('analyst', 'POST', '/rpc/level', { x => 1 }))[0] == 200 });

# the client library of npm
SKIP:
{
	my $folder = $node->basedir . '/npm';
	my $log = '';

	mkdir $folder;
	skip 'no npm', 1 if !grep { -x "$_/npm" } File::Spec->path;
	skip 'no client library from npm: ' . substr($log, 0, 200), 1
	  if !eval { IPC::Run::run([ 'npm', 'install', '--no-audit', '--no-fund', '--prefix', $folder, '@supabase/postgrest-js' ], '<', \undef, '>', \$log, '2>&1', IPC::Run::timeout(90)) };
	local %ENV = (%ENV, NODE_PATH => "$folder/node_modules", API => "http://127.0.0.1:$servers{main}{port}", TOKEN => token('analyst'));
	my ($out, $errors) = ('', '');
	IPC::Run::run([ 'node', abs_path("$FindBin::RealBin/../rest/client.js") ], '<', \undef, '>', \$out, '2>', \$errors);
	is($out, "models level line queued\npredict 21\nbatch row 2 5\npublished low\nkey low\nerror 404 42704 Perhaps you meant the model \"line\".\n", 'the client library') or diag($errors);
}

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
is_deeply([ sort keys %{ $reply->{paths} } ],
	[ '/', (map { "/$_" } qw(algorithms deployments history jobs metrics models)),
		(map { "/rpc/$_" } qw(cancel compare deploy describe evaluate level predict predict_batch predict_by_key rollback train)), '/versions' ],
	'what the description has');
is_deeply([ map { [ sort grep { $_ ne 'parameters' } keys %{ $reply->{paths}{$_} } ] } '/models', '/rpc/predict', '/rpc/train' ],
	[ ['get'], [ 'get', 'post' ], ['post'] ], 'and by which methods');
my ($predict, $train) = map { $reply->{paths}{"/rpc/$_"}{post} } qw(predict train);
for my $path (grep { m{^/rpc/} } sort keys %{ $reply->{paths} })
{
	my $call = $reply->{paths}{$path}{post};

	ok($call->{summary}, "$path is summed up");
	is_deeply([ grep { $call->{description} !~ /\b\Q$_\E\b/ } keys %{ $call->{parameters}[0]{schema}{properties} } ], [], 'and its text explains every argument');
}
like($predict->{summary}, qr/^Predict/, 'with the summary of its comment');
like($train->{summary}, qr/^Train/, 'and that of the other');
is_deeply([ map { my $call = $_; [ sort @{ $call->{parameters}[0]{schema}{required} } ] } $predict, $train ], [ [ 'input', 'model' ], [ 'name', 'source' ] ],
	'and the arguments that must be given');
for my $view (grep { $_ ne 'undefined' } sort keys %{ $reply->{definitions} })
{
	my $columns = $reply->{definitions}{$view}{properties};

	is_deeply([ grep { !$columns->{$_}{description} } keys %$columns ], [], "every column of $view is described");
}

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
$node->safe_psql('postgres', q(DROP EXTENSION mlaas CASCADE; CREATE EXTENSION mlaas; NOTIFY pgrst, 'reload schema'));
$status = 0;
for (1 .. 200)
{
	($status, $reply) = request('guest', 'POST', '/rpc/train', { %train, name => 'again', validation => { split => 'none' }, wait => JSON::PP::true });
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
