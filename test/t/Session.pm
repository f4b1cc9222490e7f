# A psql that runs statements while the test goes on, found in pg_stat_activity by its name.
package Session;
use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils ();
use Time::HiRes ();

# Start psql on a file with these statements.
sub start
{
	my ($class, $node, $database, $name, $sql) = @_;
	my $self = bless { node => $node, name => $name, out => '', err => '' }, $class;
	my $file = PostgreSQL::Test::Utils::tempdir_short() . "/$name.sql";

	PostgreSQL::Test::Utils::append_to_file($file, "$sql\n");
	$self->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr($database) . " application_name=$name", '-f', $file ],
		'<', \undef, '>', \$self->{out}, '2>', \$self->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $self;
}

# The process of the session once its current statement contains text and, if given, waits for a lock.
sub wait_for
{
	my ($self, $text, $on_lock) = @_;
	my $condition = $on_lock ? q(AND wait_event_type = 'Lock') : '';
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;

	while (Time::HiRes::time() < $deadline)
	{
		my $pid = $self->{node}->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE application_name = '$self->{name}' AND strpos(query, '$text') > 0 $condition");

		return $pid if $pid ne '';
		Time::HiRes::usleep(20_000);
	}
	die "session $self->{name} never came to: $text\n$self->{out}\n$self->{err}";
}

# The state of the session: active, idle, idle in transaction, ...; empty when it is gone.
sub state
{
	my ($self) = @_;

	return $self->{node}->safe_psql('postgres', "SELECT state FROM pg_stat_activity WHERE application_name = '$self->{name}'");
}

# Wait for the end of the session; returns what it wrote to stderr.
sub finish
{
	my ($self) = @_;

	$self->{run}->finish;
	return $self->{err};
}

1;
