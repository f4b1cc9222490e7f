# A cancel, a timeout and a termination end every phase within a second; nothing stays behind: no row, no
# memory, no thread at work.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

$node->safe_psql(
	'postgres', q(
	CREATE EXTENSION mlaas;
	CREATE TABLE hard AS
	SELECT (hashint4(i) % 60)::text AS class, i::float8 AS y, ARRAY(SELECT sin(i * j) FROM generate_series(1, 100) j)::float8[] AS v
	FROM generate_series(1, 30000) i;
	CREATE VIEW endless AS SELECT i::float8 AS x, 2.0 * i AS y, i % 2 = 0 AS even FROM generate_series(1, 1000000000) i;
	SELECT ml_train('line', 'SELECT x, y FROM endless LIMIT 1000', 'y', 'linear_regression');
));
my $registry = q(SELECT count(*), sum(last_version), sum(last_event) FROM mlaas.model);
my $before = $node->safe_psql('postgres', $registry);

# What runs for many seconds, by phase.
my %phases = (
	'reading, one pass' => q(SELECT ml_train('long', 'endless', 'y', 'linear_regression', features => '{x}', validation => '{"split": "none"}');),
	'reading, rows kept' => q(SELECT ml_train('long', 'endless', 'even', 'logistic_regression');),
	'reading, waiting' => q(SELECT ml_train('long', 'SELECT 1.0 AS x, 2.0 AS y, pg_sleep(600)::text AS s', 'y', 'linear_regression');),
	'fitting' => q(SELECT ml_train('long', 'hard', 'class', 'logistic_regression', features => '{v}');),
	'the aggregate' => q(SELECT ml_fit('linear_regression', '{}', y, x) FROM endless;),
	'predicting rows' => q(SELECT sum(ml_predict('line', x)) FROM endless;),
	'predicting in batch' => q(SELECT count(*) FROM ml_predict_batch('line', 'SELECT x FROM endless');),
	'evaluating' => q(SELECT * FROM ml_evaluate('line', 'endless');));

# Seconds of processor time that a process has used.
sub cpu_seconds
{
	my ($pid) = @_;
	my @fields = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;

	return ($fields[11] + $fields[12]) / 100;
}

# Start the phase, send the signal after a while, return the seconds until the session is out of it.
sub time_to_stop
{
	my ($phase, $function, $expected) = @_;
	my $session = Session->start($node, 'postgres', 'worker', "$phases{$phase}\nSELECT pg_sleep(600);");
	my $pid = $session->wait_for('ml_');
	my ($start, $stop);

	usleep(1_200_000);
	unlike($node->safe_psql('postgres', q(SELECT query FROM pg_stat_activity WHERE application_name = 'worker')),
		qr/^SELECT pg_sleep/, "$phase: still running");
	$start = time();
	$node->safe_psql('postgres', "SELECT $function($pid)");
	while (1)
	{
		my $query = $node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE pid = $pid");

		last if $query eq '' || $query =~ /^SELECT pg_sleep/;
		die "$phase does not stop" if time() - $start > 60;
		usleep(5_000);
	}
	$stop = time();

	if ($function eq 'pg_cancel_backend' && -r "/proc/$pid/stat")
	{
		my $used = cpu_seconds($pid);

		usleep(500_000);
		cmp_ok(cpu_seconds($pid) - $used, '<', 0.1, "$phase: no thread goes on working");
	}
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $pid");
	like($session->finish, $expected, "$phase: the error says why");
	return $stop - $start;
}

for my $phase (sort keys %phases)
{
	# another process may hold up one try on a busy machine, not three
	my $best = 60;

	for (1 .. 3)
	{
		my $seconds = time_to_stop($phase, 'pg_cancel_backend', qr/canceling statement due to user request/);

		$best = $seconds if $seconds < $best;
		last if $best < 1;
	}
	cmp_ok($best, '<', 1, sprintf('%s: canceled within a second (%.2f)', $phase, $best));
}

for my $phase ('fitting', 'reading, rows kept')
{
	my $seconds = time_to_stop($phase, 'pg_terminate_backend', qr/terminating connection due to administrator command/);

	cmp_ok($seconds, '<', 5, sprintf('%s: terminated (%.2f)', $phase, $seconds));
}

# a timeout, again and again in one session, whose memory does not grow
my $memory = q(SELECT sum(total_bytes) FROM pg_backend_memory_contexts;);
my $tries = join "\n", map { $phases{$_} } ('fitting', 'reading, rows kept', 'reading, one pass', 'the aggregate', 'predicting in batch');
my ($rc, $out, $err) = $node->psql(
	'postgres', "SET statement_timeout = '300ms';\n$tries\nRESET statement_timeout;\n$memory\nSET statement_timeout = '300ms';\n"
	  . ("$tries\n" x 3) . "RESET statement_timeout;\n$memory\nSELECT round(ml_predict('line', 10.0)::numeric, 6);",
	on_error_stop => 0);
is(scalar(() = $err =~ /canceling statement due to statement timeout/g), 20, 'a timeout ends each of them');
my @numbers = split /\n/, $out;
cmp_ok($numbers[1] - $numbers[0], '<', 1024 * 1024, "memory stays ($numbers[0], then $numbers[1] bytes)");
is($numbers[2], '20.000000', 'and the session works on');

is($node->safe_psql('postgres', $registry), $before, 'nothing was registered');
is($node->safe_psql('postgres', q(SELECT count(*) FROM mlaas.models WHERE name = 'long')), '0', 'under no name');

$node->stop;
done_testing();
