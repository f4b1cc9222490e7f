# Jobs without a preloaded library: submit, wait, cancel, rights, priorities, limits, workers and schedulers that
# are killed, restarts in every phase, DROP DATABASE, DROP EXTENSION, dump and restore, a standby.
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
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "restart_after_crash = on\nmax_worker_processes = 12\nlog_min_messages = warning\n");
$node->start;

# What a job needs that can be held up: its source waits in its third row while another session holds the lock.
sub prepare
{
	my ($database) = @_;

	$node->safe_psql(
		$database, q(
		CREATE EXTENSION mlaas;
		CREATE TABLE line AS SELECT i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 100) i;
		CREATE FUNCTION gate(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
		BEGIN
			IF x = 3 THEN
				PERFORM pg_advisory_lock_shared(99);
				PERFORM pg_advisory_unlock_shared(99);
			END IF;
			RETURN x;
		END $$;
		CREATE VIEW gated AS SELECT gate(x) AS x, y FROM line;
		GRANT SELECT ON line, gated TO PUBLIC;
	));
}

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# Poll until a query gives true.
sub wait_until
{
	my ($query, $what, $database) = @_;

	ok($node->poll_query_until($database // 'postgres', $query), $what);
}

sub wait_for_state
{
	my ($job, $state) = @_;

	wait_until("SELECT state = '$state' FROM mlaas.jobs WHERE job = $job", "job $job is $state");
}

# Another session that holds the gate shut.
sub shut_gate
{
	my $session = Session->start($node, $_[0] // 'postgres', 'holder', 'SELECT pg_advisory_lock(99); SELECT pg_sleep(600);');

	$session->wait_for('pg_sleep');
	return $session;
}

sub open_gate
{
	my ($session) = @_;

	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'");
	$session->finish;
}

# The SQLSTATE and text of an error.
sub error_of
{
	my ($query, @more) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$query", @more);

	return $err;
}

# A job whose worker waits at the gate.
sub running_job
{
	my ($name) = @_;
	my $job = sql("SELECT ml_submit('$name', 'gated', 'y', 'linear_regression')");

	wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'mlaas job $job' AND wait_event_type = 'Lock'",
		"job $job reads rows");
	return $job;
}

sub worker_of
{
	return sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'mlaas job $_[0]'");
}

# Kill a process and wait until the postmaster has started anew.
sub kill_process
{
	my ($pid) = @_;
	my $offset = -s $node->logfile;

	kill('KILL', $pid) == 1 or die "could not kill $pid";
	$node->wait_for_log(qr/all server processes terminated; reinitializing.*ready to accept connections/s, $offset);
}

prepare('postgres');
sql(q(
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE web NOLOGIN; CREATE ROLE gateway LOGIN; GRANT web TO gateway;
	CREATE TABLE tenants AS SELECT i::float8 AS x, i * 2.0 AS y, (ARRAY['one', 'two'])[i % 2 + 1] AS tenant FROM generate_series(1, 100) i;
	ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON tenants USING (tenant = current_setting('app.tenant', true));
	GRANT SELECT ON tenants TO PUBLIC;));

# ---- submitting, waiting, what is left behind ----

is(sql(q(SELECT ml_submit('line', 'line', 'y', 'linear_regression'))), '1', 'the first job has the number 1');
is(sql(q(SELECT ml_wait(1))), 'succeeded', 'it succeeds');
is(sql(q(SELECT state, version, attempts, role, started_at >= submitted_at, finished_at >= started_at FROM mlaas.jobs WHERE job = 1)),
	'succeeded|1|1|postgres|t|t', 'and says so');
is(sql(q(SELECT round(ml_predict('line', '{"x": 10}'::jsonb)::numeric, 6))), '20.000000', 'its model predicts');
is(sql(q(SELECT m.bytes = v.bytes AND m.row_digest = v.row_digest AND m.metrics = v.metrics
	FROM ml_train('line', 'line', 'y', 'linear_regression') t, mlaas.versions m, mlaas.versions v
	WHERE m.name = 'line' AND m.version = 1 AND v.name = 'line' AND v.version = t.version)), '', 'the training itself');
is(sql(q(SELECT ml_model('line@1')::text = ml_model('line@2')::text)), 't', 'a job and a session learn the same model');
is(sql(q(BEGIN; SELECT ml_submit('line', 'line', 'y'); ROLLBACK; SELECT count(*) FROM mlaas.jobs)), "2\n1", 'a job that is rolled back is not there');
like(error_of(q(BEGIN; SELECT ml_submit('line', 'line', 'y'); SELECT ml_wait(2);)), qr/55000: job 2 was submitted or changed by this transaction/,
	'waiting for a job of its own transaction is refused');

# an error of the training, with all that it says
my $job = sql(q(SELECT ml_submit('line', 'SELECT x, y / (x - x) AS y FROM line', 'y')));
is(sql("SELECT ml_wait($job)"), 'failed', 'a job whose query fails');
is(sql("SELECT sqlstate, message, version IS NULL FROM mlaas.jobs WHERE job = $job"), '22012|division by zero|t', 'tells the error');
$job = sql(q(SELECT ml_submit('other', 'SELECT x, 1.0 AS y FROM line', 'y', 'logistic_regression')));
is(sql("SELECT ml_wait($job)"), 'failed', 'a job that cannot learn');
isnt(sql("SELECT detail || hint FROM mlaas.jobs WHERE job = $job"), undef, 'has detail and hint');
is(sql(q(SELECT count(*) FROM mlaas.models WHERE name = 'other')), '0', 'and leaves no model');

# ---- notifications ----

{
	my ($out, $err);

	$node->psql('postgres', q(LISTEN mlaas_jobs; SELECT ml_wait(ml_submit('line', 'line', 'y')) IS NULL), stdout => \$out, stderr => \$err);
	like($err, qr/was submitted or changed by this transaction/, 'submitting and waiting in one statement is refused');
	$job = $node->psql('postgres', q(
		LISTEN mlaas_jobs;
		SELECT ml_submit('line', 'line', 'y', 'linear_regression') AS job \gset
		SELECT ml_wait(:job);
		SELECT pg_sleep(0.2);
		SELECT 1;), stdout => \$out);
	my @states = $out =~ /Asynchronous notification "mlaas_jobs" with payload "\{"job": \d+, "state": "(\w+)"\}"/g;
	is("@states", 'queued running succeeded', 'every change of state is notified');
}

# ---- cancelling ----

my $gate = shut_gate();

$job = running_job('line');
is(sql(q(SELECT phase, name, job IS NOT NULL FROM mlaas.progress)), 'reading rows|line|t', 'a job that runs shows its progress');
is(sql("SELECT state, phase, attempts FROM mlaas.jobs WHERE job = $job"), 'running|reading rows|1', 'in mlaas.jobs too');
is(sql("SELECT ml_wait($job, '0.1 s')"), 'running', 'ml_wait gives up when the time is up');
is(sql("SELECT ml_cancel($job)"), 't', 'a job that runs is cancelled');
is(sql("SELECT ml_wait($job)"), 'cancelled', 'and ends');
is(sql("SELECT ml_cancel($job)"), 'f', 'once');
is(sql(q(BEGIN; SELECT ml_cancel(job) FROM mlaas.jobs; ROLLBACK)) =~ /t/ ? 1 : 0, 0, 'what is over cannot be cancelled');
$job = running_job('line');
is(sql("BEGIN; SELECT ml_cancel($job); ROLLBACK; SELECT state, cancel_requested FROM mlaas.jobs WHERE job = $job"), "t\nrunning|f", 'a cancel that is rolled back is none');
is(sql("SELECT pg_cancel_backend(" . worker_of($job) . ')'), 't', 'pg_cancel_backend on the worker');
is(sql("SELECT ml_wait($job)"), 'cancelled', 'cancels the job');
like(error_of('SELECT ml_cancel(4711)'), qr/42704: job 4711 does not exist/, 'no such job');
like(error_of('SELECT ml_wait(4711)'), qr/42704: job 4711 does not exist/, 'to wait for');

# a cancel that comes while the training is done already
{
	my $canceller;

	$job = running_job('late');
	$canceller = Session->start($node, 'postgres', 'canceller', "BEGIN; SELECT ml_cancel($job); SELECT pg_sleep(600);");
	$canceller->wait_for('pg_sleep');
	open_gate($gate);
	wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'mlaas job $job' AND wait_event = 'transactionid'",
		'a job that is done waits for the cancel');
	sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'canceller'");
	$canceller->finish;
	is(sql("SELECT ml_wait($job)"), 'succeeded', 'which came to nothing');
	$gate = shut_gate();
}

# ---- limit, order ----

{
	my ($first, $second) = (running_job('one'), running_job('two'));
	my @jobs = map { sql("SELECT ml_submit('order', 'line', 'y', 'linear_regression', priority => $_)") } (0, 5, 5, -1);

	usleep(300_000);
	is(sql(q(SELECT string_agg(state, ' ' ORDER BY job) FROM mlaas.jobs WHERE name = 'order')), 'queued queued queued queued', 'no more run than mlaas.max_workers');
	is(sql("SELECT ml_cancel($jobs[3])"), 't', 'a job that waits is cancelled');
	is(sql("SELECT state, started_at IS NULL FROM mlaas.jobs WHERE job = $jobs[3]"), 'cancelled|t', 'at once');
	$node->append_conf('postgresql.conf', 'mlaas.max_queued_jobs = 3');
	$node->reload;
	like(error_of(q(LOAD 'mlaas'; SELECT ml_submit('order', 'line', 'y'))), qr/53400: too many jobs are waiting/, 'a full queue is told');
	$node->append_conf('postgresql.conf', "mlaas.max_queued_jobs = 1000\nmlaas.max_workers = 1");
	$node->reload;
	open_gate($gate);
	is(sql("SELECT ml_wait($_)"), 'succeeded', "job $_ runs") for $first, $second, @jobs[0 .. 2];
	is(sql(q(SELECT string_agg(job::text, ' ' ORDER BY version) FROM mlaas.jobs WHERE name = 'order' AND state = 'succeeded')),
		"$jobs[1] $jobs[2] $jobs[0]", 'by priority, then by number');
	$gate = shut_gate();
	$node->append_conf('postgresql.conf', 'mlaas.max_workers = 2');
	$node->reload;
}

# no process free
{
	$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
	$node->restart;
	$gate->finish;
	my ($rc, $out, $err) = $node->psql('postgres', q(SELECT ml_submit('line', 'line', 'y')));

	like($err, qr/WARNING:  the scheduler of jobs could not be started/, 'no process for the scheduler: a warning');
	is(sql("SELECT ml_wait($out, '1 s')"), 'queued', 'and the job waits');
	$node->append_conf('postgresql.conf', 'max_worker_processes = 12');
	$node->restart;
	is(sql("SELECT ml_wait($out)"), 'succeeded', 'until there is one');
	$gate = shut_gate();
}

# ---- rights ----

is($node->safe_psql('postgres', q(SELECT count(*) FROM mlaas.jobs), extra_params => [ '-U', 'alice' ]), '0', 'a role sees its own jobs only');
like(error_of('SELECT ml_cancel(1)', extra_params => [ '-U', 'alice' ]), qr/42501: permission denied for job 1/, 'and cancels no other');
like(error_of('SELECT ml_wait(1)', extra_params => [ '-U', 'alice' ]), qr/42501: permission denied for job 1/, 'nor waits for it');
like(error_of(q(SELECT ml_submit('line', 'line', 'y')), extra_params => [ '-U', 'alice' ]), qr/42501: permission denied for model line/, 'nor trains its model');
like(error_of('SELECT * FROM mlaas.job', extra_params => [ '-U', 'alice' ]), qr/42501/, 'the table itself is closed');

sub as_role
{
	my ($role, $query) = @_;

	return $node->safe_psql('postgres', $query, extra_params => [ '-U', $role ]);
}

$job = as_role('alice', q(SET app.tenant = 'one'; SELECT ml_submit('tenant', 'tenants', 'y', features => '{x}', validation => '{"split": "none"}')));
is(as_role('alice', "SELECT ml_wait($job)"), 'succeeded', 'a job of a role');
is(as_role('alice', q(SELECT n_train, trained_by FROM mlaas.versions WHERE name = 'tenant')), '50|alice', 'sees the rows that a policy shows it by a setting of the session');
$job = as_role('gateway', q(SET ROLE web; SET app.tenant = 'two'; SELECT ml_submit('web', 'tenants', 'y', features => '{x}', validation => '{"split": "none"}')));
is(as_role('gateway', "SET ROLE web; SELECT ml_wait($job)"), 'succeeded', 'a job of a role that may not log in, through one that may');
is(as_role('gateway', q(SET ROLE web; SELECT n_train, trained_by FROM mlaas.versions WHERE name = 'web')), '50|web', 'trains as that role');

# code in the source has the rights of the role, whoever the session was
sql(q(
	CREATE TABLE spied (who text, session text, elevated text);
	GRANT CREATE ON SCHEMA public TO web;
	SET ROLE web;
	CREATE FUNCTION climb(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
	BEGIN
		IF current_setting('is_superuser') = 'on' AND current_user = 'postgres' THEN RAISE 'superuser'; END IF;
		BEGIN
			RESET ROLE;
		EXCEPTION WHEN insufficient_privilege THEN NULL;
		END;
		BEGIN
			SET ROLE postgres;
		EXCEPTION WHEN insufficient_privilege OR invalid_authorization_specification THEN NULL;
		END;
		BEGIN
			SET SESSION AUTHORIZATION postgres;
		EXCEPTION WHEN insufficient_privilege OR invalid_authorization_specification THEN NULL;
		END;
		IF current_user <> 'web' THEN RAISE 'became %', current_user; END IF;
		RETURN x;
	END $$;));
$job = sql(q(SET ROLE web; SELECT ml_submit('climb', 'SELECT climb(x) AS x, y FROM line', 'y', 'linear_regression')));
is(sql("SELECT ml_wait($job)"), 'succeeded', 'a job of a role that a superuser took on');
is(sql("SELECT role, sqlstate, message FROM mlaas.jobs WHERE job = $job"), 'web||', 'cannot become anybody else');
is(sql(q(SELECT trained_by FROM mlaas.versions WHERE name = 'climb')), 'web', 'and trains as the role');

# roles that lose their rights while their jobs wait
{
	my @holders = (running_job('one'), running_job('two'));
	my %jobs;

	$jobs{gone} = as_role('bob', q(SELECT ml_submit('gone', 'line', 'y')));
	$jobs{member} = as_role('gateway', q(SET ROLE web; SELECT ml_submit('member', 'line', 'y')));
	sql('CREATE ROLE carol LOGIN; CREATE ROLE dave LOGIN');
	$jobs{login} = as_role('carol', q(SELECT ml_submit('login', 'line', 'y')));
	$jobs{table} = as_role('dave', q(SELECT ml_submit('table', 'line', 'y')));
	sql('DROP ROLE bob; REVOKE web FROM gateway; ALTER ROLE carol NOLOGIN; REVOKE SELECT ON line FROM PUBLIC; GRANT SELECT ON line TO alice');
	open_gate($gate);
	is(sql("SELECT ml_wait($jobs{$_})"), 'failed', "a job fails: $_") for sort keys %jobs;
	is(sql("SELECT sqlstate, message FROM mlaas.jobs WHERE job = $jobs{gone}"), '42704|the role of the job, or that of its session, does not exist any more', 'the role was dropped');
	is(sql("SELECT sqlstate, message FROM mlaas.jobs WHERE job = $jobs{member}"), '42501|role "gateway" may not become role "web" any more', 'it lost the membership');
	is(sql("SELECT sqlstate, message FROM mlaas.jobs WHERE job = $jobs{login}"), '28000|role "carol" is not permitted to log in', 'it lost the login');
	is(sql("SELECT sqlstate, message FROM mlaas.jobs WHERE job = $jobs{table}"), '42501|permission denied for table line', 'it lost the table');
	sql('GRANT SELECT ON line TO PUBLIC');
	$gate = shut_gate();
}

# ---- processes that die ----

# One whose worker is terminated is begun again.
$job = running_job('line');
is(sql('SELECT pg_terminate_backend(' . worker_of($job) . ')'), 't', 'the worker is terminated');
wait_until("SELECT state = 'running' AND attempts = 2 FROM mlaas.jobs WHERE job = $job", 'the job is begun again');
$node->append_conf('postgresql.conf', 'mlaas.job_attempts = 2');
$node->reload;
usleep(200_000);
wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'mlaas job $job'", 'by another worker');
is(sql('SELECT pg_terminate_backend(' . worker_of($job) . ')'), 't', 'which is terminated, too');
is(sql("SELECT ml_wait($job)"), 'failed', 'then it is given up');
is(sql("SELECT sqlstate, message, detail FROM mlaas.jobs WHERE job = $job"),
	'57P02|the worker process of the job ended before the training did|It was tried 2 times; mlaas.job_attempts is 2.', 'and says why');
$node->append_conf('postgresql.conf', 'mlaas.job_attempts = 3');
$node->reload;

# The scheduler is terminated: the worker goes on, and another scheduler counts it.
$job = running_job('line');
my $waiting = sql(q(SELECT ml_submit('line', 'line', 'y', 'linear_regression')));
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mlaas scheduler'");
wait_until(q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlaas scheduler'), 'the scheduler is gone');
is(sql("SELECT state, attempts FROM mlaas.jobs WHERE job = $job"), 'running|1', 'a job outlives its scheduler');
wait_until(q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlaas scheduler'), 'whoever looks at jobs starts another');
is(sql("SELECT ml_wait($waiting)"), 'succeeded', 'which goes on with those that wait');
is(sql("SELECT state, attempts FROM mlaas.jobs WHERE job = $job"), 'running|1', 'and lets the other run');
open_gate($gate);
is(sql("SELECT ml_wait($job)"), 'succeeded', 'until it is done');

# kill -9 of a worker, of the scheduler, of a session: the server starts anew, and no job says "running" that does not run
for my $victim ('worker', 'scheduler', 'session')
{
	$gate = shut_gate();
	$job = running_job('crash');
	my $pid = $victim eq 'worker' ? worker_of($job)
	  : $victim eq 'scheduler' ? sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'mlaas scheduler'")
	  : sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'holder'");

	kill_process($pid);
	$gate->finish;
	is(sql("SELECT ml_wait($job)"), 'succeeded', "kill -9 of the $victim: the job is begun again");
	is(sql("SELECT attempts, version IS NOT NULL FROM mlaas.jobs WHERE job = $job"), '2|t', 'at its second attempt');
}

# the whole server, with jobs that wait, run and are over
for my $how ('immediate', 'fast', 'kill -9')
{
	$gate = shut_gate();
	my @running = (running_job('crash'), running_job('crash2'));
	my $queued = sql(q(SELECT ml_submit('crash', 'line', 'y', 'linear_regression')));
	my $over = sql(q(SELECT max(job) FROM mlaas.jobs WHERE state = 'succeeded'));
	my $models = sql(q(SELECT count(*) FROM mlaas.versions));

	if ($how eq 'kill -9')
	{
		my $started = 0;

		$node->kill9;
		$gate->finish;
		for (1 .. 100)
		{
			last if $started = $node->start(fail_ok => 1);
			usleep(100_000);
			$node->stop('fast', fail_ok => 1);
		}
		ok($started, 'the server starts after kill -9 of the postmaster');
	}
	else
	{
		$node->stop($how);
		$gate->finish;
		$node->start;
	}
	is(sql("SELECT count(*) FROM mlaas.version"), $models, "$how: nothing is half stored");
	is(sql("SELECT ml_wait($_)"), 'succeeded', "$how: job $_ comes to its end") for @running, $queued;
	is(sql("SELECT string_agg(attempts::text, ' ' ORDER BY job) FROM mlaas.jobs WHERE job IN ($running[0], $running[1], $queued)"), '2 2 1', "$how: those that ran were begun twice");
	is(sql("SELECT state, attempts >= 1 FROM mlaas.jobs WHERE job = $over"), 'succeeded|t', "$how: what was over is over");
	is(sql("SELECT count(*) FROM mlaas.versions"), $models + 3, "$how: each stored one version");
}

# ---- progress of a session ----

$gate = shut_gate();
{
	my $session = Session->start($node, 'postgres', 'trainee', q(SELECT ml_train('line', 'gated', 'y', 'linear_regression');));
	my $pid = $session->wait_for('ml_train', 1);

	is(sql('SELECT pid, role, name, job, phase FROM mlaas.progress'), "$pid|postgres|line||reading rows", 'a training of a session is seen from another');
	is(as_role('alice', 'SELECT count(*) FROM mlaas.progress'), '0', 'not by everybody');
	sql('GRANT pg_read_all_stats TO alice');
	is(as_role('alice', 'SELECT count(*) FROM mlaas.progress'), '1', 'but by those who may read all statistics');
	is(sql('SELECT count(*) FROM pg_stat_progress_copy'), '0', 'the views of the server do not show it');
	sql("SELECT pg_cancel_backend($pid)");
	$session->finish;
	is(sql('SELECT count(*) FROM mlaas.progress'), '0', 'and nothing is left of it');
}

# ---- DROP EXTENSION, DROP DATABASE ----

open_gate($gate);
$node->safe_psql('postgres', 'CREATE DATABASE other');
prepare('other');
is($node->safe_psql('other', q(SELECT ml_submit('line', 'line', 'y'))), '1', 'numbers count in each database');
is($node->safe_psql('other', 'SELECT ml_wait(1)'), 'succeeded', 'where a scheduler of its own is');
$node->safe_psql('other', q(SELECT ml_schedule('line', 'line', 'y', every => '1 hour')));
wait_until(q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlaas scheduler' AND datname = 'other'), 'a schedule keeps it there');
is(($node->psql('postgres', 'DROP DATABASE other'))[0], 0, 'yet the database can be dropped');

$node->safe_psql('postgres', 'CREATE DATABASE other');
prepare('other');
$gate = shut_gate('other');
is($node->safe_psql('other', q(SELECT ml_submit('line', 'gated', 'y', 'linear_regression'))), '1', 'a job');
is($node->safe_psql('other', q(SELECT ml_submit('line', 'line', 'y', 'linear_regression'))), '2', 'and another one');
wait_until(q(SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'mlaas job 1' AND datname = 'other' AND wait_event_type = 'Lock'), 'runs', 'other');
{
	my $dropper = Session->start($node, 'other', 'dropper', 'DROP EXTENSION mlaas CASCADE;');

	$dropper->wait_for('DROP EXTENSION', 1);
	open_gate($gate);
	is($dropper->finish =~ /ERROR/ ? 1 : 0, 0, 'DROP EXTENSION waits for a job that runs, and goes through');
}
wait_until(q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'mlaas%' AND datname = 'other'), 'the scheduler and the workers leave');
is(($node->psql('postgres', 'DROP DATABASE other'))[0], 0, 'DROP DATABASE then');

# ---- dump and restore ----

$gate = shut_gate();
$job = running_job('line');
sql('ALTER SYSTEM SET mlaas.max_workers = 1; SELECT pg_reload_conf()');
$waiting = sql(q(SELECT ml_submit('line', 'line', 'y')));
sql(q(SELECT ml_schedule('line', 'line', 'y', cron => '0 3 * * mon-fri', on_change => 0.5, time_zone => 'Europe/Berlin')));
{
	my $file = PostgreSQL::Test::Utils::tempdir_short() . '/dump.sql';

	$node->command_ok([ 'pg_dump', '-f', $file, $node->connstr('postgres') ], 'pg_dump');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $file ], 'restore');
	is($node->safe_psql('restored', q(SELECT count(*) FROM mlaas.jobs WHERE state IN ('queued', 'running'))), '0', 'jobs that waited or ran stay where they were');
	is($node->safe_psql('restored', q(SELECT count(*) FROM mlaas.jobs)),
		sql(q(SELECT count(*) FROM mlaas.jobs WHERE state NOT IN ('queued', 'running') AND role IS NOT NULL)), 'those that were over are restored');
	is(sql(q(SELECT count(*) > 0 FROM mlaas.jobs WHERE role IS NULL)), 't', 'but for those of roles that were dropped');
	is($node->safe_psql('restored', q(SELECT schedule, name, cron, on_change, time_zone, relations FROM mlaas.schedules)),
		'line|line|0 3 * * mon-fri|0.5|Europe/Berlin|{public.line}', 'and so are schedules');
	is(($node->psql('postgres', 'DROP DATABASE restored'))[0], 0, 'the restored database can be dropped');
}
is(sql("SELECT ml_cancel($job), ml_cancel($waiting), ml_unschedule('line')"), 't|t|t', 'cancel and unschedule');
open_gate($gate);

# ---- a standby ----

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
for my $write (q(SELECT ml_submit('line', 'line', 'y')), q(SELECT ml_cancel(1)),
	q(SELECT ml_schedule('line', 'line', 'y', every => '1 day')), q(SELECT ml_unschedule('line')))
{
	my ($rc, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$write");

	like($err, qr/ERROR:  25006: cannot execute ml_\w+\(\) (during recovery|in a read-only transaction)/, "refused on a standby: $write");
}
is($standby->safe_psql('postgres', 'SELECT ml_wait(1)'), 'succeeded', 'what is over is over there, too');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM mlaas.jobs'), $node->safe_psql('postgres', 'SELECT count(*) FROM mlaas.jobs'), 'a standby shows jobs');

# what waited when it was promoted runs there
sql('ALTER SYSTEM SET mlaas.max_workers = 0; SELECT pg_reload_conf(); SELECT pg_sleep(0.2)');
$job = sql(q(SELECT ml_submit('line', 'line', 'y', 'linear_regression')));
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', "SELECT state FROM mlaas.jobs WHERE job = $job"), 'queued', 'a job that waits is replicated');
$node->stop;
$standby->promote;
is($standby->safe_psql('postgres', "SELECT ml_wait($job)"), 'succeeded', 'and runs on the standby once it is promoted');
$standby->stop;

done_testing();
