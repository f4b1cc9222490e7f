-- texts as terms: PostgreSQL's own parser and dictionaries, weights beside scikit-learn's, every way to predict
CREATE SCHEMA prep_text;
SET search_path = prep_text, public;
SET client_min_messages = warning;
SET default_text_search_config = 'pg_catalog.english';
\set VERBOSITY terse

CREATE TABLE pets (id int, notes text);
INSERT INTO pets VALUES (1, 'the cat sat on the mat'), (2, 'the dog sat on the log'), (3, 'cats and dogs'), (4, 'the cat saw the dog and the cat ran'), (5, 'dogs ran');

-- what a text step makes of the notes, and what it is told
CREATE FUNCTION fitted(step jsonb, source text DEFAULT 'pets') RETURNS ml_model
LANGUAGE sql AS $$ SELECT ml_fit_preprocess(source, jsonb_build_object('columns', jsonb_build_object('notes', jsonb_build_object('text', step))), '{notes}') $$;
CREATE FUNCTION numbers(model ml_model, notes text) RETURNS TABLE (term text, weight numeric)
LANGUAGE sql AS $$ SELECT key, round(value::numeric, 14) FROM jsonb_each_text(ml_transform_json(model, jsonb_build_object('notes', notes))) WHERE value::float8 <> 0 ORDER BY key COLLATE "C" $$;
CREATE FUNCTION terms(model ml_model) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(c ->> 'name', ', ' ORDER BY n) FROM jsonb_array_elements(ml_describe(model) #> '{preparation,columns}') WITH ORDINALITY c (c, n) $$;

---- scikit-learn 1.2.1: TfidfVectorizer and CountVectorizer(token_pattern='[^ ]+', ...).fit_transform(notes)[3]
SELECT * FROM numbers(fitted('{"config": "simple", "min_documents": 1}'), 'the cat saw the dog and the cat ran');
SELECT * FROM numbers(fitted('{"config": "simple", "min_documents": 1, "sublinear": true, "norm": "l1"}'), 'the cat saw the dog and the cat ran');
SELECT * FROM numbers(fitted('{"config": "simple", "ngrams": [1, 2], "norm": "none", "max_documents": 0.5}'), 'the cat saw the dog and the cat ran');
SELECT * FROM numbers(fitted('{"config": "simple", "weight": "count", "ngrams": [2, 2], "min_documents": 0.4}'), 'the cat sat, the cat, the dog ran');
SELECT * FROM numbers(fitted('{"tokens": "characters", "ngrams": [2, 3], "max_features": 12}'), 'cats and cats');
SELECT * FROM numbers(fitted('{"tokens": "characters_in_words", "ngrams": [3, 4], "weight": "count", "min_documents": 3}'), 'cats and dogs');
-- all of it against the definition, whatever the dictionaries
CREATE VIEW weighed AS
WITH words AS (SELECT id, lexeme, array_length(positions, 1) AS times FROM pets, unnest(to_tsvector('english', notes))),
	 weights AS (SELECT id, lexeme, times * (ln((1 + 5) / (1 + count(*) OVER (PARTITION BY lexeme))::float8) + 1) AS weight FROM words)
SELECT id, lexeme, weight / sqrt(sum(weight * weight) OVER (PARTITION BY id)) AS weight FROM weights;
SELECT count(*), bool_and(abs(coalesce((ml_transform_json(m, p) ->> format('tfidf(notes: %s)', lexeme))::float8, -1) - weight) < 1e-12) AS same
FROM fitted('{"min_documents": 1}') m, weighed JOIN pets p USING (id);

---- stemming and stop words are those of the configuration
SELECT terms(fitted('{"min_documents": 1}'));
SELECT jsonb_pretty(ml_describe(fitted('{}')) #> '{preparation,texts}');
CREATE TEXT SEARCH DICTIONARY synonyms (TEMPLATE = synonym, SYNONYMS = synonym_sample);
CREATE TEXT SEARCH DICTIONARY unstemmed (TEMPLATE = pg_catalog.simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION mine (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION mine ALTER MAPPING FOR asciiword WITH synonyms, unstemmed;
CREATE TABLE own AS SELECT * FROM numbers(fitted('{"config": "mine", "weight": "count", "min_documents": 1}',
	$$SELECT notes || CASE WHEN id < 4 THEN ' postgres' ELSE '' END AS notes FROM pets$$), 'The cats saw PostgreSQL, Postgres and the cat');
SELECT * FROM own;
CREATE TABLE kept AS SELECT fitted('{"config": "mine"}') AS model;
SELECT ml_describe(model) #>> '{preparation,texts,0,config}' AS config, terms(model) FROM kept;
DROP TEXT SEARCH CONFIGURATION mine;
\set VERBOSITY default
SELECT ml_transform(model, 'dogs') FROM kept;
SELECT fitted('{"config": "englich"}');
\set VERBOSITY terse
SELECT fitted('{"config": "nowhere.english"}');
-- it is the session's at training that counts
SET default_text_search_config = 'pg_catalog.simple';
SELECT terms(fitted('{}'));
RESET default_text_search_config;
SET default_text_search_config = 'pg_catalog.english';

---- NULL, nothing, nothing but stop words, terms never seen
CREATE TABLE gaps AS SELECT * FROM pets UNION ALL VALUES (6, NULL), (7, ''), (8, 'the and of');
SELECT id, ml_transform(m, g) FROM fitted('{}', 'SELECT * FROM gaps') m, gaps g WHERE id IN (3, 6, 7, 8) ORDER BY id;
SELECT terms(fitted('{}', 'gaps')), (SELECT count(*) FROM numbers(fitted('{}', 'gaps'), 'zebras')) AS known;
SELECT terms(ml_fit_preprocess('gaps', '{"columns": {"notes": {"text": {"weight": "binary"}, "missing_indicator": false, "rename": "n"}}}', '{notes}'));
SELECT ml_fit_preprocess('gaps', '{"columns": {"notes": {"text": {}, "impute": "error"}}}', '{notes}');
SELECT ml_transform(ml_fit_preprocess('pets', '{"columns": {"notes": {"text": {}, "impute": "error"}}}', '{notes}'), NULL::text);
SELECT fitted('{}', 'SELECT ''the''::text AS notes FROM pets');
SELECT fitted('{}', 'SELECT NULL::text AS notes FROM pets');
-- a text that is longer than any row is wide
SELECT * FROM numbers(fitted('{"weight": "count"}'), repeat('cat dog ', 100000) || 'cat');
SELECT * FROM numbers(fitted('{"tokens": "characters", "ngrams": [1, 1], "weight": "count", "min_documents": 4}'), repeat('Dd', 200000));

---- characters of more than one byte
CREATE TABLE words AS SELECT * FROM (VALUES ('größe'), ('GRößer'), ('große')) w (notes);
SELECT terms(fitted('{"tokens": "characters", "ngrams": [3, 3], "min_documents": 1}', 'words'));
SELECT terms(fitted('{"tokens": "characters", "ngrams": [3, 3], "lowercase": false, "min_documents": 1}', 'words'));

---- learners: a small corpus that can be told apart, in every way to predict
CREATE TABLE reviews AS
SELECT i AS id, i % 7 AS stars, CASE WHEN i % 29 = 3 THEN NULL ELSE
		 (ARRAY['The delivery was', 'I found it', 'My sister called this', 'Honestly,'])[1 + i / 2 % 4] || ' ' ||
		 CASE WHEN ((i * 7919) % 100 < 92) = (i % 2 = 0) THEN (ARRAY['wonderful', 'excellent', 'lovely', 'delighting us', 'a delight'])[1 + i / 3 % 5]
			  ELSE (ARRAY['broken', 'terrible', 'breaking at once', 'awful', 'a waste'])[1 + i / 3 % 5] END || ' ' ||
		 (ARRAY['and fast.', 'on arrival.', 'for the price', 'as promised!'])[1 + i / 8 % 4] END AS notes,
	   i % 2 = 0 AS good
FROM generate_series(1, 600) i;
CREATE FUNCTION train(algorithm text, step jsonb DEFAULT '{}', params jsonb DEFAULT '{}') RETURNS numeric
LANGUAGE sql AS $$ SELECT round((metrics ->> 'accuracy')::numeric, 1) FROM ml_train('reviews', 'reviews', 'good', algorithm, features => '{notes, stars}', params => params,
	preprocess => jsonb_build_object('columns', jsonb_build_object('notes', jsonb_build_object('text', step))), deploy => 'always') $$;
CREATE FUNCTION same_everywhere() RETURNS boolean
LANGUAGE sql AS $$
	SELECT bool_and(b.probability = p AND p = ml_probability('reviews', b.label, r.notes, r.stars) AND p = ml_probability('reviews', b.label, to_jsonb(r))
					AND p = ml_probability(m.value, b.label, r) AND p = (ml_predict_json('reviews', to_jsonb(r)) -> 'probabilities' ->> b.label)::float8)
	FROM (SELECT ml_model('reviews')::text::ml_model AS value OFFSET 0) m, ml_predict_batch('reviews', 'reviews', 'id') b JOIN reviews r ON r.id = b.key::int, ml_probability('reviews', b.label, r) p
$$;
SELECT a, train(a) >= 0.8 AS accurate, same_everywhere() FROM unnest('{logistic_regression,gradient_boosting,random_forest,auto}'::text[]) a;
SELECT train('logistic_regression', '{"buckets": 64}') >= 0.8 AS accurate, same_everywhere();
SELECT train('logistic_regression', '{"tokens": "characters_in_words", "max_features": 300}') >= 0.8 AS accurate, same_everywhere();
SELECT train('gradient_boosting', '{"weight": "count", "ngrams": [1, 2]}', '{"n_estimators": 20}') >= 0.8 AS accurate, same_everywhere();
SELECT count(*) > 5 AS many, bool_and(prediction IS NOT NULL) AS each FROM ml_predict_batch('reviews', 'SELECT id, notes, stars FROM reviews ORDER BY id DESC', 'id');
SELECT metric, value > 0.8 AS good FROM ml_evaluate('reviews', 'reviews') WHERE metric = 'accuracy';
-- what trees learned goes on; the same training is the same bytes
SELECT ml_trees IS NOT NULL FROM (SELECT count(*) AS ml_trees FROM ml_continue('reviews', 'reviews', '{"n_estimators": 5}')) c;
SELECT train('random_forest', '{}', '{"n_estimators": 10}') > 0.5 AS trained;
SELECT count(*) AS rows, count(prediction) > 500 AS most FROM ml_oob_predict('reviews', 'reviews', 'id');
SELECT train('logistic_regression') > 0.5 AS trained;
SET default_text_search_config = 'pg_catalog.simple';
SELECT identical FROM ml_reproduce('reviews');
SET default_text_search_config = 'pg_catalog.english';
SELECT metric, round(avg(value)::numeric, 1) FROM ml_cross_validate('reviews', 'good', 'logistic_regression', features => '{notes}',
	preprocess => '{"columns": {"notes": {"text": {}}}}', validation => '{"folds": 3}') WHERE metric = 'accuracy' GROUP BY metric;

-- rows taken in one after the other keep their terms
SELECT (ml_train('stars', 'SELECT notes, stars FROM reviews', 'stars', 'linear_regression', features => '{notes}', preprocess => '{"columns": {"notes": {"text": {}}}}')).n_train;
SELECT version FROM ml_update('stars', 'SELECT notes, stars FROM reviews', validation => '{"split": "none"}');
SELECT ml_describe('stars@1') #> '{preparation,columns}' = ml_describe('stars@2') #> '{preparation,columns}' AS same;

---- readers see terms
SELECT (ml_train('other', 'reviews', 'good', 'gradient_boosting', features => '{notes, stars}', preprocess => '{"columns": {"notes": {"text": {}}}}')).name;
SELECT feature, sign(estimate) FROM ml_coefficients('reviews') WHERE feature ~ 'wonder|terribl' ORDER BY 1;
SELECT feature, round(value::numeric, 6) AS value, sign(contribution) FROM ml_explain('reviews', (SELECT r FROM reviews r WHERE id = 1)) WHERE value::float8 > 0 AND feature ~ 'notes' ORDER BY feature COLLATE "C";
SELECT feature ~ '^tfidf\(notes: ' AS of_notes FROM ml_importance('other') ORDER BY importance DESC LIMIT 3;

---- models of models
SELECT name FROM ml_ensemble('both', '{reviews, other}');
SELECT bool_and(abs(ml_probability('both', 'true', r) - (ml_probability('reviews', 'true', r) + ml_probability('other', 'true', r)) / 2) < 1e-12) AS mean FROM reviews r;
-- a model that reads a text, in a pipeline before one that reads what it predicts
SELECT (ml_train('score', 'SELECT notes, stars AS score FROM reviews', 'score', 'linear_regression', features => '{notes}', preprocess => '{"columns": {"notes": {"text": {"weight": "count"}}}}')).name;
CREATE VIEW scored AS SELECT *, ml_predict('score', notes) AS score FROM reviews;
SELECT (ml_train('last', 'scored', 'good', 'logistic_regression', features => '{score, id}')).name;
SELECT name FROM ml_pipeline('pipe', '{score, last}');
SELECT bool_and(ml_probability('pipe', 'true', s) = ml_probability('last', 'true', s)) AS same FROM scored s;
SELECT name, n_train, round((metrics ->> 'accuracy')::numeric, 1) AS accuracy
FROM ml_ensemble('stacked', '{other, reviews}', 'stacking', source => 'SELECT notes, stars, good FROM reviews WHERE id % 3 = 0', algorithm => 'logistic_regression');
SELECT count(*), bool_and(b.probability = ml_probability('stacked', b.label, r)) AS same FROM ml_predict_batch('stacked', 'reviews', 'id') b JOIN reviews r ON r.id = b.key::int;
-- the rows of a training are known again
SELECT name FROM ml_ensemble('stacked', '{other, reviews}', source => 'reviews');
SELECT (ml_train('third', 'reviews', 'good', 'gradient_boosting', features => '{notes, stars}', preprocess => '{"columns": {"notes": {"text": {"max_features": 5}}}}')).name;
SELECT ml_ensemble('none', '{reviews, third}');

---- a text that is read as a category is told of
\set VERBOSITY default
SELECT (ml_train('other', 'SELECT i AS n, ''a text of '' || i || '' words'' AS notes, i % 5 AS y FROM generate_series(1, 300) i', 'y', 'linear_regression')).n_train;
\set VERBOSITY terse

---- what is refused
SELECT fitted('{"wait": "tfidf"}');
SELECT fitted('{"weight": "tf"}');
SELECT fitted('{"tokens": "letters"}');
SELECT fitted('{"ngrams": [2, 1]}');
SELECT fitted('{"ngrams": 2}');
SELECT fitted('{"max_features": 100000}');
SELECT fitted('{"buckets": 8, "min_documents": 2}');
SELECT fitted('{"min_documents": 1.5}');
SELECT fitted('{"tokens": "characters", "config": "english"}');
SELECT fitted('[]');
SELECT fitted('{"min_documents": 5}');
SELECT ml_fit_preprocess('reviews', '{"columns": {"stars": {"text": {}}}}', '{stars}');
SELECT ml_fit_preprocess('reviews', '{"columns": {"notes": {"text": {}, "encode": "hash"}}}', '{notes}');
SELECT ml_fit_preprocess('reviews', '{"columns": {"notes": {"text": {}, "impute": "mode"}}}', '{notes}');
SELECT ml_fit_preprocess('reviews', '{"category": {"text": {}}}', '{notes}');
SELECT ml_fit_preprocess('reviews', '{"columns": {"notes": {"text": {}}}, "interactions": [["notes", "stars"]]}', '{notes, stars}');
SELECT ml_fit_preprocess('SELECT (ARRAY[''a'', ''b''])[1 + id % 2]::"char" AS notes, md5(id::text)::uuid AS u FROM pets', '{"columns": {"u": {"text": {}}}}');
SELECT ml_train('reviews', 'reviews', 'good', 'logistic_regression', features => '{notes}', preprocess => '{"columns": {"notes": {"text": {}}}}', validation => '{"sampling": "smote"}');
SELECT ml_probability('reviews', 'true', ARRAY['wonderful', '3']);
SELECT ml_probability('reviews', 'true', 7, 3);
SELECT ml_probability('reviews', 'true', '{"notes": 7, "stars": 3}'::jsonb);
SELECT ml_tree_sql('other@1');
SET mlaas.max_memory = '2MB';
SELECT fitted('{"tokens": "characters", "ngrams": [1, 10]}', $$SELECT string_agg(md5(i::text), ' ') AS notes FROM generate_series(1, 40000) i GROUP BY i / 40$$);
RESET mlaas.max_memory;

DROP TABLE gaps, kept, own, pets, reviews, words CASCADE;
SELECT ml_drop(name) FROM unnest('{both,last,other,pipe,reviews,score,stacked,stars,third}'::text[]) name;
RESET client_min_messages;
DROP SCHEMA prep_text CASCADE;
