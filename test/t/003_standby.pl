# A standby predicts with what it has replayed, refuses to train and deploy, and takes over.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# Let the standby replay all there is.
sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
}

$primary->safe_psql(
	'postgres', q(
	CREATE EXTENSION mlaas;
	CREATE TABLE houses AS
	SELECT i AS id, (i * 37 % 101)::float8 / 7 AS area, CASE WHEN i % 11 <> 0 THEN i * 53 % 7 END AS rooms,
		(ARRAY['north', 'south', 'west'])[i % 3 + 1] AS region, 3.0 * (i * 37 % 101) + 20 * (i * 53 % 7) AS price
	FROM generate_series(1, 300) i;
	CREATE TABLE line AS SELECT i::float8 AS x, 2.0 * i AS y, 3.0 * i AS z FROM generate_series(1, 100) i;
	SELECT ml_train('price', 'houses', 'price', 'linear_regression', features => '{area,rooms,region}');
	SELECT ml_train('region', 'houses', 'region', 'logistic_regression', features => '{area,rooms,price}');
	SELECT ml_train('line', 'line', 'y', 'linear_regression', features => '{x}');
	SELECT ml_train('line', 'line', 'z', 'linear_regression', features => '{x}');
));
catch_up();

my %reads = (
	'rows' => q(SELECT id, ml_predict('price', h), ml_predict_label('region', h), ml_probabilities('region', h) FROM houses h ORDER BY id),
	'a batch' => q(SELECT * FROM ml_predict_batch('price', 'houses', 'id')),
	'REST' => q(SELECT mlaas_api.predict('price', '{"area": 3, "rooms": null, "region": "west"}')),
	'a value' => q(SELECT md5(ml_model('price')::text)),
	'an evaluation' => q(SELECT * FROM ml_evaluate('price', 'houses')),
	'the registry' => q(SELECT * FROM mlaas.versions ORDER BY name, version));

is($standby->safe_psql('postgres', $reads{$_}), $primary->safe_psql('postgres', $reads{$_}), "a standby gives the same for $_")
  for sort keys %reads;

# a privilege counts on the standby from its replay on, and so does its end
my $as_guest = q(SET ROLE guest; SELECT round(ml_predict('line', '{"x": 10}'::jsonb)::numeric, 6));
$primary->safe_psql('postgres', 'CREATE ROLE guest');
catch_up();
my (undef, undef, $message) = $standby->psql('postgres', $as_guest);
like($message, qr/permission denied for model line/, 'a role without a privilege is refused');
$primary->safe_psql('postgres', q(SELECT ml_grant('line', 'guest', 'predict')));
catch_up();
is($standby->safe_psql('postgres', $as_guest), '20.000000', 'a replayed privilege counts');
$primary->safe_psql('postgres', q(SELECT ml_revoke('line', 'guest', 'predict')));
catch_up();
(undef, undef, $message) = $standby->psql('postgres', $as_guest);
like($message, qr/permission denied for model line/, 'and so does its revocation');

# a session that has the model in its cache follows what is replayed
my $ten = q(SELECT round(ml_predict('line', '{"x": 10}'::jsonb)::numeric, 6));
my $session = Session->start($standby, 'postgres', 'follower', qq($ten;
	DO \$\$
	BEGIN
		FOR i IN 1..1000 LOOP
			EXIT WHEN ml_predict('line', '{"x": 10}'::jsonb) > 25;
			PERFORM pg_sleep(0.02);
		END LOOP;
	END \$\$;
	$ten;));
$session->wait_for('FOR i IN');
$primary->safe_psql('postgres', q(SELECT ml_deploy('line', 2)));
catch_up();
is($session->finish, '', 'the session on the standby met no error');
is($session->{out}, "20.000000\n30.000000\n", 'and saw the deployment when it was replayed');
is($standby->safe_psql('postgres', $ten), '30.000000', 'a new session sees it as well');
$primary->safe_psql('postgres', q(SELECT ml_rollback('line')));
catch_up();
is($standby->safe_psql('postgres', $ten), '20.000000', 'and the rollback');

# routes as well, and both sides send the same key the same way
my $versions = q(SELECT ml_routed_version('line', i::text), round(ml_predict('line', jsonb_build_object('x', 10, 'id', i))::numeric, 6) FROM generate_series(1, 40) i);
$primary->safe_psql('postgres', q(SELECT ml_route('line', 'production', 2, weight => 0.5, key => 'id')));
catch_up();
my $routed = $standby->safe_psql('postgres', $versions);
is($routed, $primary->safe_psql('postgres', $versions), 'a standby follows routes as the primary does');
like($routed, qr/^1\|20\.000000$/m, 'some of the calls stay');
like($routed, qr/^2\|30\.000000$/m, 'and some go to the other version');
$primary->safe_psql('postgres', q(SELECT ml_shift('line', 'production', 2, 1)));
catch_up();
is($standby->safe_psql('postgres', $ten), '30.000000', 'it sees a shift when it is replayed');
$primary->safe_psql('postgres', q(SELECT ml_rollback('line')));
catch_up();
is($standby->safe_psql('postgres', $ten), '20.000000', 'and the end of the canary');

# nothing can be written
for my $write (
	q(SELECT ml_train('price', 'houses', 'price')),
	q(SELECT ml_deploy('line', 2)),
	q(SELECT ml_rollback('line')),
	q(SELECT ml_route('line', 'production', 2, weight => 0.5)),
	q(SELECT ml_shift('line', 'production', 2, 0.5)),
	q(SELECT ml_guard('line', 'bytes < 10')),
	q(SELECT ml_drop('line')),
	q(SELECT mlaas_api.train('price', 'houses', 'price')))
{
	my ($rc, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$write");

	like($err, qr/ERROR:  25006: cannot execute ml_\w+\(\) (during recovery|in a read-only transaction)/, "refused on a standby: $write");
}

# an aggregate and a model value need no registry, so they train there
is( $standby->safe_psql('postgres', q(SELECT round(ml_predict(ml_fit('linear_regression', '{}', y, x), 10.0)::numeric, 6) FROM line)),
	'20.000000', 'ml_fit works on a standby');

$primary->stop;
$standby->promote;
is($standby->safe_psql('postgres', q(SELECT version, deployed FROM ml_train('line', 'line', 'y', 'linear_regression', features => '{x}', deploy => 'always'))),
	'3|t', 'a promoted standby goes on with the next version');
is($standby->safe_psql('postgres', $ten), '20.000000', 'and predicts with it');
is($standby->safe_psql('postgres', q(SELECT version, previous_version FROM ml_rollback('line'))), '1|3', 'and rolls back');

$standby->stop;
done_testing();
