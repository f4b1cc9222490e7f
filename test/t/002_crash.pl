# kill -9 of a training server process in every phase, and of the postmaster: after the restart nothing
# is half-registered, what was deployed predicts as before, and training goes on.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nfsync = on\n");
$node->start;

$node->safe_psql(
	'postgres', q(
	CREATE EXTENSION mlaas;
	CREATE TABLE line AS SELECT i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 100) i;
	CREATE TABLE hard AS
	SELECT (hashint4(i) % 60)::text AS class, ARRAY(SELECT sin(i * j) FROM generate_series(1, 100) j)::float8[] AS v
	FROM generate_series(1, 30000) i;
	-- reading stops at the third row for as long as another session holds the lock
	CREATE FUNCTION gate(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
	BEGIN
		IF x = 3 THEN
			PERFORM pg_advisory_lock_shared(99);
			PERFORM pg_advisory_unlock_shared(99);
		END IF;
		RETURN x;
	END $$;
	CREATE VIEW gated AS SELECT gate(x) AS x, y FROM line;
	SELECT ml_train('line', 'line', 'y', 'linear_regression');
	SELECT ml_train('line', 'SELECT x, 3 * x AS y FROM line', 'y', 'linear_regression');
	SELECT ml_deploy('line', 2);
	CREATE ROLE guest;
	CREATE ROLE successor;
	SELECT ml_grant('line', 'guest', 'predict');
));

my $registry = q(
	SELECT 'model', m::text FROM mlaas.model m
	UNION ALL SELECT 'version', (v.id, v.model_id, v.version, v.metrics, md5(v.model::text))::text FROM mlaas.version v
	UNION ALL SELECT 'alias', a::text FROM mlaas.alias a
	UNION ALL SELECT 'event', e::text FROM mlaas.event e
	UNION ALL SELECT 'privilege', p::text FROM mlaas.privilege p
	UNION ALL SELECT 'ties', proacl::text FROM pg_proc WHERE oid = 'mlaas.models_of(regrole)'::regprocedure
	ORDER BY 1, 2);

# Kill a server process and wait until the postmaster has started anew.
sub kill_backend
{
	my ($pid) = @_;
	my $offset = -s $node->logfile;

	kill('KILL', $pid) == 1 or die "could not kill $pid";
	$node->wait_for_log(qr/all server processes terminated; reinitializing.*ready to accept connections/s, $offset);
}

# After a crash: the registry as it was, sound, and at work.
sub check_registry
{
	my ($expected, $what) = @_;

	is($node->safe_psql('postgres', $registry), $expected, "$what: the registry is as it was");
	is( $node->safe_psql('postgres', q(
		SELECT (SELECT count(*) FROM mlaas.version v WHERE NOT EXISTS (SELECT FROM mlaas.model m WHERE m.id = v.model_id))
			 + (SELECT count(*) FROM mlaas.alias a WHERE NOT EXISTS (SELECT FROM mlaas.version v WHERE (v.id, v.model_id, v.version) = (a.version_id, a.model_id, a.version)))
			 + (SELECT count(*) FROM mlaas.model m, LATERAL (SELECT count(*) AS n, max(v.version) AS last FROM mlaas.version v WHERE v.model_id = m.id) v
				WHERE m.versions <> v.n OR m.latest_version IS DISTINCT FROM v.last)
			 + (SELECT count(*) FROM mlaas.model m WHERE m.last_event <> (SELECT count(*) FROM mlaas.event e WHERE e.model_id = m.id))
			 + (SELECT count(*) FROM mlaas.privilege p WHERE NOT EXISTS (SELECT FROM mlaas.model m WHERE m.id = p.model_id))
			 + (SELECT count(*) FROM mlaas.model m WHERE m.last_version < (SELECT max(v.version) FROM mlaas.version v WHERE v.model_id = m.id)))),
		'0', "$what: and consistent");
	is($node->safe_psql('postgres', q(SELECT round(ml_predict('line', '{"x": 10}'::jsonb)::numeric, 6))),
		'30.000000', "$what: the deployed version predicts");
}

# Crash while a session runs these statements, when the block gives its process.
sub crash_in
{
	my ($what, $sql, $until) = @_;
	my $before = $node->safe_psql('postgres', $registry);
	my $session = Session->start($node, 'postgres', 'trainee', $sql);

	kill_backend($until->($session));
	like($session->finish, qr/server closed the connection unexpectedly|terminating connection|connection to server was lost/,
		"$what: the session was cut off");
	check_registry($before, $what);
}

# Another session that stays in its last statement, which sleeps.
sub hold
{
	my $session = Session->start($node, 'postgres', 'holder', "$_[0] SELECT pg_sleep(600);");

	$session->wait_for('pg_sleep');
	return $session;
}

my $holder = hold('SELECT pg_advisory_lock(99);');
crash_in(
	'while it reads rows',
	q(SELECT ml_train('line', 'gated', 'y', 'linear_regression', deploy => 'always');),
	sub { return $_[0]->wait_for('ml_train', 1); });
$holder->finish;

crash_in(
	'while it fits',
	q(SELECT ml_train('hard', 'hard', 'class', 'logistic_regression');),
	sub {
		my $pid = $_[0]->wait_for('ml_train');

		usleep(1_500_000);
		is($_[0]->state, 'active', 'the fit is still running');
		return $pid;
	});

crash_in(
	'after it stored, before the commit',
	q(BEGIN; SELECT ml_train('line', 'line', 'y', 'linear_regression', deploy => 'always'); SELECT ml_train('new', 'line', 'y', 'linear_regression'); SELECT pg_sleep(600);),
	sub { return $_[0]->wait_for('pg_sleep'); });

$holder = hold(q(BEGIN; SELECT ml_train('line', 'line', 'y', 'linear_regression');));
crash_in(
	'while it waits for another training of the name',
	q(SELECT ml_train('line', 'line', 'y', 'linear_regression');),
	sub { return $_[0]->wait_for('ml_train', 1); });
$holder->finish;

crash_in(
	'while it deploys and drops',
	q(BEGIN; SELECT ml_deploy('line', 1); SELECT ml_drop('line', 2); SELECT pg_sleep(600);),
	sub { return $_[0]->wait_for('pg_sleep'); });

crash_in(
	'while it grants, approves, copies, renames and gives away',
	q(BEGIN; SELECT ml_grant('line', 'successor', 'manage'); SELECT ml_revoke('line', 'guest', 'predict'); SELECT ml_approve('line', 2);
	  SELECT ml_copy('line', 'copy'); SELECT ml_tag('line', 'a'); SELECT ml_set_owner('line', 'successor'); SELECT ml_rename('line', 'other');
	  SELECT pg_sleep(600);),
	sub { return $_[0]->wait_for('pg_sleep'); });

# the whole server, in the middle of a fit
{
	my $before = $node->safe_psql('postgres', $registry);
	my $session = Session->start($node, 'postgres', 'trainee', q(SELECT ml_train('hard', 'hard', 'class', 'logistic_regression');));
	my $pid = $session->wait_for('ml_train');

	usleep(500_000);
	is($session->state, 'active', 'the fit is still running');
	$node->kill9;
	kill('KILL', $pid) == 1 or die "could not kill $pid";
	$session->finish;
	# the server's other processes take a moment to notice
	my $started = 0;
	for (1 .. 100)
	{
		last if $started = $node->start(fail_ok => 1);
		usleep(100_000);
		$node->stop('fast', fail_ok => 1);
	}
	ok($started, 'the server starts after kill -9 of the postmaster');
	check_registry($before, 'kill -9 of the postmaster');
}

# right after a commit, which then must be there
is( $node->safe_psql('postgres', q(SELECT version, deployed FROM ml_train('line', 'SELECT x, 4 * x AS y FROM line', 'y', 'linear_regression', deploy => 'always'))),
	'3|t', 'training goes on with the next version');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q(SELECT round(ml_predict('line', '{"x": 10}'::jsonb)::numeric, 6))),
	'40.000000', 'what was committed survives');
is($node->safe_psql('postgres', q(SELECT version, previous_version FROM ml_rollback('line'))), '2|3', 'and can be rolled back');

$node->stop;
done_testing();
