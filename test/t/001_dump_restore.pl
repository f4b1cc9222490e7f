# Dump and restore: a database comes back with its models, versions, aliases and history, predicts the
# same to the last bit and goes on from there; DROP EXTENSION leaves nothing.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# What must be equal before and after: the registry, and predictions to the last bit.
my %facts = (
	'models' => q(SELECT name, owner, description, tags, task, target, algorithm, deployed_version, latest_version, versions, metrics, created_at, trained_at, keep_versions
		FROM mlaas.models ORDER BY name),
	'versions' => q(SELECT * FROM mlaas.versions ORDER BY name, version),
	'aliases' => q(SELECT * FROM mlaas.aliases ORDER BY name, alias),
	'routes' => q(SELECT * FROM mlaas.routes ORDER BY name, alias, number),
	'guards' => q(SELECT * FROM mlaas.guards ORDER BY name, number),
	'routed predictions' => q(SELECT id, ml.ml_predict('price@the old one', h), ml.ml_routed_version('price@the old one', id::text) FROM houses h ORDER BY id),
	'published functions' => q(SELECT pg_get_functiondef('mlaas_api."region of"'::regproc), obj_description('mlaas_api."region of"'::regproc), p.*,
		mlaas_api.predict_by_key('region', '7') FROM mlaas.published p),
	'history' => q(SELECT * FROM mlaas.history ORDER BY model_id, number),
	'privileges' => q(SELECT * FROM mlaas.privileges ORDER BY model, grantee, privilege),
	'ties of roles' => q(SELECT pg_get_userbyid(a.grantee) FROM pg_proc p, aclexplode(p.proacl) a
		WHERE p.oid = 'mlaas.models_of(regrole)'::regprocedure AND a.grantee >= 16384 ORDER BY 1),
	'model values' => q(SELECT name, version, md5(ml_send) FROM (SELECT v.name, v.version,
		encode(ml.ml_model_send(ml.ml_model(v.name || '@' || v.version)), 'hex') AS ml_send FROM mlaas.versions v) s ORDER BY 1, 2),
	'predictions' => q(SELECT id, ml.ml_predict('price', h), ml.ml_predict('price@1', h), ml.ml_predict_label('region', h),
		ml.ml_probabilities('region', h) FROM houses h ORDER BY id),
	'predictions by a kept value' => q(SELECT h.id, ml.ml_predict(k.model, h) FROM houses h, kept k ORDER BY h.id),
	'description' => q(SELECT ml.ml_describe('price'), ml.ml_describe('region')));

# Compare all facts of a database with those given.
sub check_facts
{
	my ($database, $expected, $what) = @_;

	is($node->safe_psql($database, $facts{$_}), $expected->{$_}, "$what: $_ are the same") for sort keys %facts;
}

$node->safe_psql(
	'postgres', q(
	CREATE ROLE modeller;
	CREATE ROLE guest;
	CREATE ROLE "Odd ""Role""";
	CREATE DATABASE source;
));
$node->safe_psql(
	'source', q(
	CREATE SCHEMA ml;
	CREATE EXTENSION mlaas SCHEMA ml;
	GRANT USAGE ON SCHEMA ml TO PUBLIC;
	CREATE TABLE houses AS
	SELECT i AS id, (i * 37 % 101)::float8 / 7 AS area, CASE WHEN i % 11 <> 0 THEN i * 53 % 7 END AS rooms,
		(ARRAY['north', 'süd', 'it''s "west"', E'back\\slash\ttab'])[i % 4 + 1] AS region,
		3.0 * (i * 37 % 101) + 20 * (i * 53 % 7) + (i * 71 % 13) / 3.0 AS price
	FROM generate_series(1, 300) i;
	GRANT SELECT ON houses TO PUBLIC;
	SET search_path = public, ml;
	SELECT ml_train('price', 'houses', 'price', 'linear_regression', features => '{area,rooms,region}');
	SELECT ml_train('price', 'SELECT area, rooms, price FROM houses WHERE id > 100', 'price', 'linear_regression');
	SELECT ml_deploy('price', 2, reason => E'a reason with "quotes",\ttabs and a \\\\ in it');
	SELECT ml_deploy('price', 1, 'the old one');
	SELECT ml_route('price', 'the old one', 2, weight => 0.4, key => 'id');
	SELECT ml_route('price', 'the old one', 2, role => 'Odd "Role"');
	SELECT ml_route('price', 'the old one', 2, condition => E'region = \'it\'\'s "west"\'');
	SELECT ml_guard('price', 'max_gap(rmse, region) <= 1000', 'the old one', 'houses');
	SET ROLE modeller;
	SELECT ml_train('region', 'houses', 'region', 'logistic_regression', features => '{area,rooms,price}');
	SELECT ml_publish('region', 'region of', source => 'houses', key => 'id');
	SELECT ml_keep_versions('region', 3);
	SET ROLE "Odd ""Role""";
	SELECT ml_train('It''s "odd"', 'houses', 'price', 'baseline', features => '{area}');
	SELECT ml_train('gone', 'houses', 'price', 'baseline', features => '{area}');
	SELECT ml_drop('gone');
	RESET ROLE;
	SELECT ml_set_description('price', E'what a "house"\tcosts, \\\\ or NULL: \\\\N');
	SELECT ml_tag('price', 'a, "b"', '{c}', 'NULL', 'back\slash');
	SELECT ml_approve('price', 2, 'looked at');
	SELECT ml_copy('price@2', 'price 2027');
	SELECT ml_rename('It''s "odd"', 'odd one');
	SELECT ml_grant('price', 'guest', 'describe'), ml_grant('region', 'public', 'predict');
	CREATE TABLE kept AS SELECT ml_model('price') AS model;
	SELECT ml_register('prepared', ml_fit_preprocess('houses', '{"columns": {"rooms": {"impute": "forward_fill", "order_by": "id", "group_by": "region"}}}', '{area,rooms,region}'), 'a preparation');
	SELECT ml_train('on prepared', 'houses', 'price', 'linear_regression', preprocess => '{"transform": "prepared"}');
	CREATE VIEW scored AS SELECT id, ml_predict('price', h) AS price FROM houses h;
));
my %before = map { $_ => $node->safe_psql('source', $facts{$_}) } keys %facts;
like($before{versions}, qr/linear_regression/, 'the registry is not empty');
is($before{'ties of roles'}, qq(Odd "Role"\nguest\nmodeller), 'roles in use are tied');
is(scalar(split /\n/, $before{predictions}), 300, 'every row was predicted');

# 1. plain and custom format into new databases of the same cluster

my $dir = PostgreSQL::Test::Utils::tempdir;
$node->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", $node->connstr('source') ], 'dump as SQL');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f', "$dir/plain.sql" ],
	'restore from SQL');
check_facts('plain', \%before, 'plain');

$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", $node->connstr('source') ], 'dump in the custom format');
$node->safe_psql('postgres', 'CREATE DATABASE custom');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '-j', '2', '-d', $node->connstr('custom'), "$dir/custom.dump" ],
	'restore from the custom format');
check_facts('custom', \%before, 'custom');

# a second dump says the same as the first
$node->command_ok([ 'pg_dump', '-f', "$dir/again.sql", $node->connstr('plain') ], 'dump the restored database');
my $normal = sub { join "\n", grep { !/^\\(un)?restrict / } split /\n/, slurp_file(shift) };
ok($normal->("$dir/plain.sql") eq $normal->("$dir/again.sql"), 'a dump of the restored database is the same text');

# what roles left behind that are gone: history by their names, and no route that another role could take
$node->safe_psql(
	'source', q(
	CREATE ROLE leaver;
	SET search_path = public, ml;
	SELECT ml_route('price', 'the old one', 2, role => 'leaver');
	SET ROLE leaver;
	SELECT ml_train('left behind', 'houses', 'price', 'baseline', features => '{area}');
	SELECT ml_drop('left behind');
	RESET ROLE;
	DROP ROLE leaver;
));
$node->command_ok([ 'pg_dump', '-f', "$dir/left.sql", $node->connstr('source') ], 'dump after a role was dropped');
$node->safe_psql('postgres', 'CREATE DATABASE orphans');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('orphans'), '-f', "$dir/left.sql" ],
	'restore what it left');
my $left = q(SELECT action, who FROM mlaas.history WHERE name = 'left behind' ORDER BY number);
is($node->safe_psql('orphans', $left), $node->safe_psql('source', $left), 'its history is the same');
is($node->safe_psql('orphans', q(SELECT DISTINCT owner FROM mlaas.event WHERE name = 'left behind')), 'leaver', 'and bears its name');
is($node->safe_psql('source', q(SELECT count(*) FROM mlaas.routes WHERE role = '(dropped)')), '1', 'its route was there');
is($node->safe_psql('orphans', q(SELECT count(*) FROM mlaas.route WHERE role IS NOT NULL AND role <> '"Odd ""Role"""'::regrole)), '0', 'and stays behind');
is($node->safe_psql('orphans', $facts{'routed predictions'}), $before{'routed predictions'}, 'predictions are routed as before');

# 2. life goes on

is($node->safe_psql('plain', q(SELECT version, deployed FROM ml.ml_train('price', 'houses', 'price', 'baseline'))),
	'3|f', 'the next version follows the restored ones');
is($node->safe_psql('plain', q(SELECT version, previous_version FROM ml.ml_rollback('price'))),
	'1|2', 'a rollback uses the restored history');
is($node->safe_psql('plain', q(SELECT bool_and(s.price = ml.ml_predict('price@1', h)) FROM scored s JOIN houses h USING (id))),
	't', 'a restored view predicts with what is deployed now');
is($node->safe_psql('plain', q(SET ROLE modeller; SELECT string_agg(name, ',') FROM mlaas.models)),
	'region', 'owners are restored');
my ($rc, $out, $err) = $node->psql('plain', q(SET ROLE modeller; SELECT ml.ml_predict('price', h) FROM public.houses h));
like($err, qr/permission denied for model price/, 'and so are their rights');
like($node->safe_psql('plain', q(SET ROLE guest; SELECT ml.ml_predict('price', h) > 0 FROM public.houses h LIMIT 1)), qr/^[tf]$/, 'as are privileges');
($rc, $out, $err) = $node->psql('plain', 'DROP ROLE guest');
like($err, qr/privileges for function mlaas.models_of\(regrole\)/, 'a role that was granted a privilege cannot be dropped');
is($node->safe_psql('plain', q(SELECT ml.ml_revoke('price', 'guest', 'predict'))), 't', 'a restored privilege can be revoked');
is($node->safe_psql('plain', $facts{'ties of roles'}), qq(Odd "Role"\nmodeller), 'and then its tie is gone');
is($node->safe_psql('plain', q(SELECT ml.ml_drop('region'))), '1', 'a restored model can be dropped');
is($node->safe_psql('plain', q(SELECT ml.ml_transform('prepared', h) = ml.ml_transform('on prepared', h) FROM houses h LIMIT 1)), 't',
	'a restored transform is what the model trained on it prepares by');
is($node->safe_psql('plain', q(SET search_path = public, ml; SELECT identical FROM ml_reproduce('on prepared'))), 't', 'and that can be made again');

# 3. models travel by themselves, as text and as bytes

for my $format ('text', 'binary')
{
	$node->safe_psql('source', "COPY kept TO '$dir/kept.$format' (FORMAT $format)");
	$node->safe_psql('custom', "CREATE TABLE kept_$format (model ml.ml_model); COPY kept_$format FROM '$dir/kept.$format' (FORMAT $format)");
	is($node->safe_psql('custom', "SELECT ml.ml_model_send(a.model) = ml.ml_model_send(b.model) FROM kept a, kept_$format b"),
		't', "a model copied as $format has the same bytes");
	is($node->safe_psql('custom', "SELECT r.version, r.task, r.deployed FROM kept_$format k, ml.ml_register('from $format', k.model) r"),
		'1|regression|t', 'and becomes a version');
	is($node->safe_psql('custom', "SELECT bool_and(ml.ml_predict('from $format', h) = ml.ml_predict(k.model, h)) FROM houses h, kept k"),
		't', 'that predicts the same');
}

# 4. DROP EXTENSION leaves nothing

$node->safe_psql('custom', q(SELECT ml.ml_unpublish('region'); DROP TABLE kept, kept_text, kept_binary; DROP VIEW scored; DROP EXTENSION mlaas));
is($node->safe_psql('custom', q(SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'mlaas%')), '0', 'no schema is left');
is( $node->safe_psql('custom', q(
	SELECT (SELECT count(*) FROM pg_proc WHERE probin LIKE '%mlaas%' OR proname ~ '^ml_') + (SELECT count(*) FROM pg_type WHERE typname ~ '^_?ml_')
		+ (SELECT count(*) FROM pg_cast c WHERE c.oid >= 16384) + (SELECT count(*) FROM pg_class WHERE relname ~ 'mlaas|^ml_'))),
	'0', 'no function, type, cast or relation is left');
$node->safe_psql('custom', 'CREATE EXTENSION mlaas');
is($node->safe_psql('custom', 'SELECT count(*) FROM mlaas.models'), '0', 'the extension can be created again, empty');

# an extension dropped and created anew in a session that used the old one
is( $node->safe_psql('custom', q(
	SELECT count(*) FROM ml_train('a', 'houses', 'price', 'baseline');
	SELECT round(ml_predict('a', h)::numeric, 3) IS NOT NULL FROM houses h LIMIT 1;
	DROP EXTENSION mlaas;
	CREATE EXTENSION mlaas;
	SELECT count(*) FROM mlaas.models;
	SELECT version FROM ml_train('a', 'houses', 'price', 'baseline');
	SELECT round(ml_predict('a', h)::numeric, 3) IS NOT NULL FROM houses h LIMIT 1;
)), "1\nt\n0\n1\nt", 'a session notices that the registry was made anew');

done_testing();
