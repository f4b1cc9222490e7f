# Jobs and schedules with the library preloaded: what waits goes on after a restart by itself, schedules by the
# clock and by changes, failures put them off, databases come and go.
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
$node->append_conf('postgresql.conf',
	"restart_after_crash = on\nmax_worker_processes = 12\nlog_min_messages = warning\nshared_preload_libraries = 'mlaas'\n"
	  . "mlaas.max_workers = 1\n");
$node->start;

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

sub wait_until
{
	my ($query, $what, $database) = @_;

	ok($node->poll_query_until($database // 'postgres', $query), $what);
}

# The state of a job, read so that nobody is woken: the table itself, by its owner.
sub state_of
{
	return "(SELECT state FROM mlaas.job WHERE id = $_[0])";
}

is(sql(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlaas launcher')), '1', 'the launcher is there');
is(sql(q(SELECT context FROM pg_settings WHERE name = 'mlaas.max_workers')), 'sighup', 'settings are known without a call');
sql(q(
	CREATE EXTENSION mlaas;
	CREATE TABLE line AS SELECT i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 1000) i;
	CREATE FUNCTION gate(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
	BEGIN
		IF x = 3 THEN
			PERFORM pg_advisory_lock_shared(99);
			PERFORM pg_advisory_unlock_shared(99);
		END IF;
		RETURN x;
	END $$;
	CREATE VIEW gated AS SELECT gate(x) AS x, y FROM line;));

sub shut_gate
{
	my $session = Session->start($node, 'postgres', 'holder', 'SELECT pg_advisory_lock(99); SELECT pg_sleep(600);');

	$session->wait_for('pg_sleep');
	return $session;
}

# ---- restarts: nobody calls a function of ours afterwards ----

for my $how ('fast', 'immediate', 'crash')
{
	my $gate = shut_gate();
	my $running = sql(q(SELECT ml_submit('line', 'gated', 'y', 'linear_regression')));
	my $queued = sql(q(SELECT ml_submit('line', 'line', 'y', 'linear_regression')));

	wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'mlaas job $running' AND wait_event_type = 'Lock'", "job $running reads rows");
	if ($how eq 'crash')
	{
		my $offset = -s $node->logfile;
		my $pid = sql(q(SELECT pid FROM pg_stat_activity WHERE application_name = 'holder'));

		kill('KILL', $pid) == 1 or die "could not kill $pid";
		$node->wait_for_log(qr/all server processes terminated; reinitializing.*ready to accept connections/s, $offset);
	}
	else
	{
		$node->stop($how);
		$node->start;
	}
	$gate->finish;
	wait_until("SELECT " . state_of($_) . " = 'succeeded'", "$how: job $_ comes to its end by itself") for $running, $queued;
	is(sql("SELECT string_agg(attempts::text, ' ' ORDER BY id) FROM mlaas.job WHERE id IN ($running, $queued)"), '2 1', "$how: the one that ran was begun twice");
}

# ---- schedules ----

is(sql(q(SELECT ml_schedule('line', 'line', 'y', 'linear_regression', every => '1 second', schedule => 'often') IS NOT NULL)), 't', 'every second');
wait_until(q(SELECT count(*) >= 2 FROM mlaas.job WHERE schedule = 'often' AND state = 'succeeded'), 'a schedule runs again and again');
$node->restart;
my $before = sql(q(SELECT count(*) FROM mlaas.job WHERE schedule = 'often' AND state = 'succeeded'));
wait_until("SELECT count(*) > $before FROM mlaas.job WHERE schedule = 'often' AND state = 'succeeded'", 'after a restart, too');
is(sql(q(SELECT count(*) FROM mlaas.job a JOIN mlaas.job b ON a.id < b.id AND b.submitted_at < a.finished_at WHERE a.schedule = 'often' AND b.schedule = 'often')),
	'0', 'never twice at a time');
is(sql(q(SELECT ml_unschedule('often'))), 't', 'until it is removed');

# one that fails is put off, longer each time
sql(q(CREATE VIEW broken AS SELECT x, y / (x - 3)::float8 AS y FROM line;
	SELECT ml_schedule('line', 'broken', 'y', every => '1 second', schedule => 'broken')));
wait_until(q(SELECT failures = 1 FROM mlaas.schedule WHERE schedule = 'broken'), 'a schedule whose job fails');
is(sql(q(SELECT next_run BETWEEN now() + '30 s' AND now() + '70 s', last_state FROM mlaas.schedules WHERE schedule = 'broken')), 't|failed', 'waits a minute');
sql(q(UPDATE mlaas.schedule SET next_run = now() WHERE schedule = 'broken'));
$node->restart;
wait_until(q(SELECT failures = 2 FROM mlaas.schedule WHERE schedule = 'broken'), 'the next failure');
is(sql(q(SELECT next_run BETWEEN now() + '90 s' AND now() + '130 s' FROM mlaas.schedules WHERE schedule = 'broken')), 't', 'doubles that');
sql(q(CREATE OR REPLACE VIEW broken AS SELECT x, y::float8 AS y FROM line; UPDATE mlaas.schedule SET next_run = now() WHERE schedule = 'broken'));
$node->restart;
wait_until(q(SELECT failures = 0 AND last_state = 'succeeded' FROM mlaas.schedule WHERE schedule = 'broken'), 'a success ends that');

# one whose zone is gone does not keep others from running
sql(q(UPDATE mlaas.schedule SET time_zone = 'Atlantis', next_run = now() WHERE schedule = 'broken';
	SELECT ml_schedule('line', 'line', 'y', 'linear_regression', every => '1 second', schedule => 'other')));
wait_until(q(SELECT count(*) > 0 FROM mlaas.job WHERE schedule = 'other' AND state = 'succeeded'), 'a schedule beside one that is broken itself');
is(sql(q(SELECT next_run > now() + '50 min', failures FROM mlaas.schedule WHERE schedule = 'broken')), 't|1', 'which is put off');
is(sql(q(SELECT ml_unschedule('broken'), ml_unschedule('other'))), 't|t', 'both are removed');

# when rows have changed
sql(q(CREATE TABLE changing (x float8, y float8) WITH (autovacuum_enabled = off);
	INSERT INTO changing SELECT i, 2 * i FROM generate_series(1, 1000) i));
wait_until(q(SELECT pg_stat_get_live_tuples('changing'::regclass) = 1000), 'the rows are counted');
sql(q(SELECT ml_train('changing', 'changing', 'y', 'linear_regression');
	SELECT ml_schedule('changing', 'changing', 'y', 'linear_regression', every => '1 second', on_change => 0.1)));
is(sql(q(SELECT changed FROM mlaas.schedules WHERE schedule = 'changing')), '0', 'nothing has changed');
wait_until(q(SELECT next_run > created_at + '3 s' FROM mlaas.schedule WHERE schedule = 'changing'), 'it has been looked at');
is(sql(q(SELECT count(*) FROM mlaas.job WHERE schedule = 'changing')), '0', 'and not trained');
sql(q(UPDATE changing SET y = 3 * x WHERE x <= 50));
wait_until(q(SELECT changed BETWEEN 0.049 AND 0.051 FROM mlaas.schedules WHERE schedule = 'changing'), 'a twentieth has changed');
usleep(2_200_000);
is(sql(q(SELECT count(*) FROM mlaas.job WHERE schedule = 'changing')), '0', 'which is too little');
sql(q(INSERT INTO changing SELECT i, 3 * i FROM generate_series(1, 60) i));
wait_until(q(SELECT count(*) = 1 FROM mlaas.job WHERE schedule = 'changing' AND state = 'succeeded'), 'a tenth is enough');
is(sql(q(SELECT changed < 0.1 FROM mlaas.schedules WHERE schedule = 'changing')), 't', 'then it counts anew');
is(sql(q(SELECT ml_unschedule('changing'))), 't', 'removed');

# ---- processes and databases ----

wait_until(q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlaas scheduler'), 'a scheduler without work leaves');
is(sql(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlaas launcher')), '1', 'the launcher stays');
sql('CREATE DATABASE other');
$node->safe_psql('other', q(
	CREATE EXTENSION mlaas;
	CREATE TABLE line AS SELECT i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 1000) i;
	SELECT ml_schedule('line', 'line', 'y', 'linear_regression', every => '1 second')));
wait_until(q(SELECT count(*) >= 1 FROM mlaas.job WHERE state = 'succeeded'), 'another database has jobs of its own', 'other');
is(($node->psql('postgres', 'CREATE DATABASE copy TEMPLATE other'))[0], 0, 'can be copied while its schedule runs');
is(($node->psql('postgres', 'DROP DATABASE other'))[0], 0, 'and dropped');
is(($node->psql('postgres', 'DROP DATABASE copy'))[0], 0, 'as the copy can');
is(sql(q(DROP EXTENSION mlaas CASCADE; SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlaas launcher')), '1', 'the extension can be dropped');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'no process failed by itself');
$node->stop;
done_testing();
