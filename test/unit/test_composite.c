/*
 * Models that are made of models: their results against those of the members put together by hand, rows in blocks of
 * any size, categories that members know differently, what does not fit together, and bytes that are wrong.
 */
#include "unit.h"

#include "base/document_internal.h"
#include "base/hash.h"
#include "learn/learners.h"
#include "model/composite.h"
#include "sample.h"

static const Sample numbers = {.features = "nmcdv",.rows = 500,.task = ML_TASK_REGRESSION};
static const Sample two = {.features = "nmcd",.rows = 500,.task = ML_TASK_BINARY};
static const Sample three = {.features = "ncd",.rows = 500,.task = ML_TASK_MULTICLASS};

static MlModel *
train(MlContext *ctx, const Sample *sample, const MlAlgorithm *algorithm, size_t first)
{
	Sample		s = *sample;
	MlTrainResult *result;

	s.first = first;
	result = sample_train(ctx, &s, algorithm, NULL, NULL);
	return ml_model_open(ctx, result->bytes, result->size);
}

static MlModel *
build(MlContext *ctx, const MlAlgorithm *algorithm, MlEnsembleMethod method, int count, const MlMemberSpec *members)
{
	MlCompositeSpec spec = {.algorithm = algorithm,.method = method,.count = count,.members = members,.summary = {.row_digest = ""}};
	size_t		size;
	void	   *bytes = ml_composite_build(ctx, &spec, &size);

	return ml_model_open(ctx, bytes, size);
}

/* The same scores whatever the block, and after the text form, which gives the same bytes. */
static void
check_scores(MlContext *ctx, const MlModel *model, const Sample *s)
{
	size_t		bytes = (size_t) ml_model_outputs(model) * sample_count(s) * sizeof(double);
	double	   *scores = sample_score(ctx, model, s, 256);
	char	   *json = ml_container_to_json(ctx, model->bytes);
	size_t		size;
	void	   *again = ml_container_from_json(ctx, json, strlen(json), &size);

	CHECK(memcmp(scores, sample_score(ctx, model, s, 1), bytes) == 0);
	CHECK(memcmp(scores, sample_score(ctx, model, s, 7), bytes) == 0);
	CHECK(size == model->size && memcmp(again, model->bytes, size) == 0);
	CHECK(strstr(ml_model_describe(ctx, model), "\"members\"") != NULL);
}

/* ---------------------------------------------------------------- ensembles */

/* Members of other features and rows, which know other categories. */
static void
test_mean(MlContext *ctx)
{
	Sample		fewer = {.features = "dnc",.rows = 300,.task = ML_TASK_REGRESSION};
	MlMemberSpec members[] = {
		{train(ctx, &numbers, &ml_linear_regression, 0), "a", "", 1},
		{train(ctx, &fewer, &ml_gradient_boosting, 100000), "b", "", 1},
		{train(ctx, &numbers, &ml_random_forest, 7000), "c", "", 1},
	};
	MlModel    *model = build(ctx, &ml_ensemble_model, ML_ENSEMBLE_MEAN, 3, members);
	Sample		unseen = numbers;
	double	   *out;
	double	   *each[3];

	unseen.first = 250;
	out = sample_score(ctx, model, &unseen, 256);
	for (int m = 0; m < 3; m++)
		each[m] = sample_score(ctx, members[m].model, &unseen, 256);
	for (size_t i = 0; i < unseen.rows; i++)
		CHECK(out[i] == (each[0][i] + each[1][i] + each[2][i]) / 3);
	CHECK(model->signature->nfeatures == 5 && model->signature->slots == 7);
	check_scores(ctx, model, &unseen);

	members[0].weight = 0.25;
	members[1].weight = 0;
	members[2].weight = 2;
	model = build(ctx, &ml_ensemble_model, ML_ENSEMBLE_WEIGHTED, 3, members);
	out = sample_score(ctx, model, &unseen, 256);
	for (size_t i = 0; i < unseen.rows; i++)
		CHECK(out[i] == (0.25 * each[0][i] + 0 * each[1][i] + 2 * each[2][i]) / 2.25);
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, build(ctx, &ml_ensemble_model, ML_ENSEMBLE_VOTE, 3, members));
}

/* Two classes and three: the union, in which an unknown class has probability zero. */
static void
test_classes(MlContext *ctx)
{
	MlMemberSpec members[] = {
		{train(ctx, &two, &ml_logistic_regression, 0), "a", "", 1},
		{train(ctx, &three, &ml_gradient_boosting, 0), "b", "", 1},
	};
	MlModel    *model = build(ctx, &ml_ensemble_model, ML_ENSEMBLE_MEAN, 2, members);
	double	   *out = sample_score(ctx, model, &two, 256);
	double	   *a = sample_score(ctx, members[0].model, &two, 256);
	double	   *b = sample_score(ctx, members[1].model, &two, 256);
	size_t		n = two.rows;

	CHECK(model->signature->task == ML_TASK_MULTICLASS && model->signature->nclasses == 3);
	CHECK(strcmp(model->signature->class_labels[0], "alpha") == 0 && strcmp(model->signature->class_labels[2], "gamma") == 0);
	for (size_t i = 0; i < n; i++)
	{
		CHECK(out[i] == (a[i] + b[i]) / 2 && out[n + i] == (a[n + i] + b[n + i]) / 2);
		CHECK(out[2 * n + i] == b[2 * n + i] / 2);
	}
	check_scores(ctx, model, &two);
}

/* Votes, and ties that the mean probability decides. */
static void
test_vote(MlContext *ctx)
{
	MlMemberSpec members[] = {
		{train(ctx, &two, &ml_logistic_regression, 0), "a", "", 1},
		{train(ctx, &two, &ml_gradient_boosting, 9000), "b", "", 1},
		{train(ctx, &two, &ml_decision_tree, 70000), "c", "", 1},
		{train(ctx, &two, &ml_random_forest, 120000), "d", "", 1},
	};
	MlModel    *model = build(ctx, &ml_ensemble_model, ML_ENSEMBLE_VOTE, 4, members);
	Sample		other = two;
	size_t		n = two.rows;
	double	   *out;
	double	   *each[4];
	int			ties = 0;

	other.first = 3000;
	out = sample_score(ctx, model, &other, 256);
	for (int m = 0; m < 4; m++)
		each[m] = sample_score(ctx, members[m].model, &other, 256);
	for (size_t i = 0; i < n; i++)
	{
		double		votes = 0;
		double		mean = 0;

		for (int m = 0; m < 4; m++)
		{
			votes += each[m][n + i] > each[m][i];
			mean += each[m][n + i] - each[m][i];
		}
		CHECK(fabs(out[n + i] - votes / 4) < 1e-15);
		CHECK(ml_model_class(model, out + i, n) == (votes == 2 ? mean > 0 : votes > 2));
		ties += votes == 2;
	}
	CHECK(ties > 0);
	check_scores(ctx, model, &other);
}

/* ---------------------------------------------------------------- pipelines */

/* A sample with one more column: what a model gives its rows. */
static MlModel *
train_after(MlContext *ctx, const Sample *sample, const char *name, MlKind kind, const char *type, const MlModel *before)
{
	MlTable    *table = sample_table(ctx, sample);
	MlTrainSpec spec = sample_spec(ctx, sample, &ml_gradient_boosting);
	MlColumn   *column = ml_column_create(ctx, name, kind);
	const char **types = ml_alloc_array(ctx, (size_t) spec.nfeatures + 1, sizeof(char *));
	double	   *out = sample_score(ctx, before, sample, 256);
	size_t		n = sample_count(sample);
	MlTrainResult result;

	memcpy(types, spec.feature_types, (size_t) spec.nfeatures * sizeof(char *));
	types[spec.nfeatures] = type;
	for (size_t i = 0; i < n; i++)
	{
		int			klass = before->signature->nclasses == 0 ? 0 : ml_model_class(before, out + i, n);

		if (kind == ML_KIND_CATEGORY)
			ml_column_add_category(ctx, column, before->signature->class_labels[klass], strlen(before->signature->class_labels[klass]));
		else
			ml_column_add_number(ctx, column, before->signature->nclasses == 2 ? out[n + i] : out[i]);
	}
	ml_column_finish(ctx, column);
	table->columns = ml_realloc(ctx, table->columns, (size_t) (table->ncolumns + 1) * sizeof(MlColumn *));
	table->columns[table->ncolumns] = table->columns[spec.target];
	table->columns[spec.target] = column;
	table->ncolumns++;
	spec.feature_types = types;
	spec.nfeatures++;
	spec.target++;
	ml_pipeline_train(ctx, table, &spec, &result);
	return ml_model_open(ctx, result.bytes, result.size);
}

/* The last model's scores with the first one's result put into its rows by hand. */
static double *
score_after(MlContext *ctx, const MlModel *before, const MlModel *after, const Sample *s)
{
	size_t		n = sample_count(s);
	double	   *out = sample_score(ctx, before, s, 256);
	double	   *result = ml_alloc_array(ctx, (size_t) ml_model_outputs(after) * n, sizeof(double));
	double	   *scratch = ml_alloc_array(ctx, ml_model_scratch(after, 1), sizeof(double));
	double	   *raw = ml_alloc_array(ctx, (size_t) after->signature->slots, sizeof(double));
	MlSignature fewer = *after->signature;
	MlModel		readable = *after;
	const MlFeature *last = &after->signature->features[after->signature->nfeatures - 1];

	fewer.nfeatures--;
	readable.signature = &fewer;
	for (size_t i = 0; i < n; i++)
	{
		int			klass = before->signature->nclasses == 0 ? 0 : ml_model_class(before, out + i, n);
		const char *label = before->signature->nclasses == 0 ? "" : before->signature->class_labels[klass];

		sample_raw(&readable, s, i, 1, raw, 1);
		raw[last->slot] = last->kind == ML_KIND_CATEGORY ? ml_prep_encode(after->prep, after->signature->nfeatures - 1, label, strlen(label)) :
			before->signature->nclasses == 2 ? out[n + i] : out[i];
		ml_model_score(after, raw, 1, 1, result + i, n, scratch);
	}
	return result;
}

static void
check_pipeline(MlContext *ctx, const Sample *first, MlKind kind, const char *type)
{
	MlModel    *before = train(ctx, first, &ml_gradient_boosting, 4000);
	MlModel    *after = train_after(ctx, &numbers, "said", kind, type, before);
	MlMemberSpec members[] = {{before, "before", "said", 0}, {after, "after", "", 0}};
	MlModel    *model = build(ctx, &ml_pipeline_model, ML_ENSEMBLE_MEAN, 2, members);
	Sample		other = numbers;

	other.first = 77;
	CHECK(memcmp(sample_score(ctx, model, &other, 256), score_after(ctx, before, after, &other), other.rows * sizeof(double)) == 0);
	CHECK(model->signature->nfeatures == 5);
	check_scores(ctx, model, &other);
}

static void
test_pipeline(MlContext *ctx)
{
	check_pipeline(ctx, &two, ML_KIND_NUMBER, "double precision");
	check_pipeline(ctx, &two, ML_KIND_CATEGORY, "text");
	check_pipeline(ctx, &three, ML_KIND_CATEGORY, "text");
	check_pipeline(ctx, &(Sample) {.features = "ncd",.rows = 400,.task = ML_TASK_REGRESSION}, ML_KIND_NUMBER, "double precision");
}

/* ---------------------------------------------------------------- what does not fit */

static void
test_misfits(MlContext *ctx)
{
	MlModel    *first = train(ctx, &three, &ml_decision_tree, 0);
	MlModel    *after = train_after(ctx, &numbers, "said", ML_KIND_NUMBER, "double precision", first);
	MlMemberSpec chain[] = {{first, "first", "said", 0}, {after, "after", "", 0}};
	MlMemberSpec unlike[] = {{train(ctx, &numbers, &ml_linear_regression, 0), "a", "", 1}, {first, "b", "", 1}};
	MlMemberSpec twice[] = {{first, "first", "n", 0}, {after, "after", "", 0}};
	MlMemberSpec weights[] = {{unlike[0].model, "a", "", 0}, {unlike[0].model, "b", "", 0}};
	MlMemberSpec nested[] = {{unlike[0].model, "a", "", 1}};

	/* a number cannot tell three classes */
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, build(ctx, &ml_pipeline_model, ML_ENSEMBLE_MEAN, 2, chain));
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, build(ctx, &ml_ensemble_model, ML_ENSEMBLE_MEAN, 2, unlike));
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, build(ctx, &ml_pipeline_model, ML_ENSEMBLE_MEAN, 2, twice));
	chain[0].output = "nobody asks";
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, build(ctx, &ml_pipeline_model, ML_ENSEMBLE_MEAN, 2, chain));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, build(ctx, &ml_ensemble_model, ML_ENSEMBLE_WEIGHTED, 2, weights));
	weights[0].weight = -1;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, build(ctx, &ml_ensemble_model, ML_ENSEMBLE_WEIGHTED, 2, weights));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, build(ctx, &ml_ensemble_model, ML_ENSEMBLE_MEAN, 0, weights));
	for (int depth = 0; depth < ML_COMPOSITE_DEPTH; depth++)
	{
		nested[0].model = build(ctx, &ml_ensemble_model, ML_ENSEMBLE_MEAN, 1, nested);
		check_scores(ctx, nested[0].model, &numbers);
	}
	CHECK_RAISES(ctx, ML_ERROR_MEMORY, build(ctx, &ml_ensemble_model, ML_ENSEMBLE_MEAN, 1, nested));
}

/* ---------------------------------------------------------------- wrong bytes */

/* The bytes with one payload member replaced: weights, or one of the members' names and outputs. */
static void
open_with(MlContext *ctx, const MlModel *model, MlSection section, const MlWriter *changed)
{
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {0};
	size_t		size;
	void	   *bytes;

	for (int s = 1; s <= ML_SECTION_LAST; s++)
		sections[s] = (MlSectionBytes) {model->sections[s], ml_node_size(model->sections[s])};
	sections[section].bytes = ml_writer_finish((MlWriter *) (uintptr_t) changed, &sections[section].size);
	bytes = ml_container_build(ctx, model->algorithm->id, sections, &size);
	ml_model_open(ctx, bytes, size);
}

/* The payload with other weights, and output as what the first member produces (NULL: as it was). */
static MlWriter *
payload_with(MlContext *ctx, const MlModel *model, const double *weights, size_t count, const char *output)
{
	const MlNode *members = ml_node_find(model->sections[ML_SECTION_PAYLOAD], "members");
	MlWriter   *w = ml_writer_create(ctx);

	ml_write_list(w, "members");
	for (size_t m = 0; m < ml_node_count(members); m++)
	{
		const MlNode *member = ml_node_at(members, m);

		ml_write_object(w, NULL);
		for (size_t i = 0; i < ml_node_count(member); i++)
			if (m == 0 && output != NULL && strcmp(ml_node_key(member, i), "output") == 0)
				ml_write_string(w, "output", output);
			else
				ml_write_node(w, ml_node_key(member, i), ml_node_at(member, i));
		ml_write_end(w);
	}
	ml_write_end(w);
	ml_write_f64s(w, "weights", weights, count);
	return w;
}

/* The signature with another task, or without its last feature. */
static MlWriter *
signature_with(MlContext *ctx, const MlModel *model, MlTaskKind task, int features)
{
	MlSignature s = *model->signature;
	MlWriter   *w = ml_writer_create(ctx);

	s.task = task;
	s.nfeatures = features;
	ml_signature_write(w, &s);
	return w;
}

static void
test_corrupted(MlContext *ctx)
{
	MlMemberSpec members[] = {
		{train(ctx, &two, &ml_logistic_regression, 0), "a", "", 1},
		{train(ctx, &two, &ml_decision_tree, 900), "b", "", 1},
	};
	MlModel    *model = build(ctx, &ml_ensemble_model, ML_ENSEMBLE_MEAN, 2, members);
	double		good[3] = {1, 1, 1};
	double		negative[2] = {1, -1};
	double		nothing[2] = {0, 0};
	double		nan[2] = {1, NAN};
	const char *const changes[] = {"", "said", "n"};
	MlWriter   *empty = ml_writer_create(ctx);

	open_with(ctx, model, ML_SECTION_PAYLOAD, payload_with(ctx, model, good, 2, NULL));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_PAYLOAD, payload_with(ctx, model, good, 3, NULL)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_PAYLOAD, payload_with(ctx, model, good, 0, NULL)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_PAYLOAD, payload_with(ctx, model, negative, 2, NULL)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_PAYLOAD, payload_with(ctx, model, nothing, 2, NULL)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_PAYLOAD, payload_with(ctx, model, nan, 2, NULL)));
	for (size_t i = 1; i < 3; i++)
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_PAYLOAD, payload_with(ctx, model, good, 2, changes[i])));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_PAYLOAD, empty));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_SIGNATURE, signature_with(ctx, model, ML_TASK_MULTICLASS, 4)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, ML_SECTION_SIGNATURE, signature_with(ctx, model, ML_TASK_BINARY, 3)));
}

/* Any byte wrong, with a checksum that is right: the model is refused or can be used. */
static void
test_wrong_bytes(MlContext *ctx)
{
	Sample		small = {.features = "nd",.rows = 60,.task = ML_TASK_BINARY};
	MlMemberSpec members[] = {
		{train(ctx, &small, &ml_logistic_regression, 0), "a", "", 1},
		{train(ctx, &small, &ml_decision_tree, 900), "b", "", 1},
	};
	MlModel    *model = build(ctx, &ml_ensemble_model, ML_ENSEMBLE_VOTE, 2, members);
	size_t		size = model->size;
	char	   *bytes = ml_alloc(ctx, size);
	int			refused = 0;

	for (size_t at = 40; at < size; at += 3)
	{
		uint64_t	checksum = 0;
		jmp_buf    *outer = unit_entry;
		jmp_buf		inner;

		memcpy(bytes, model->bytes, size);
		bytes[at] = (char) (bytes[at] ^ (1 << at % 8));
		memcpy(bytes + 24, &checksum, sizeof checksum);
		checksum = ml_hash_bytes(bytes + 40, size - 40, ml_hash_bytes(bytes, 40, 0));
		memcpy(bytes + 24, &checksum, sizeof checksum);
		if (setjmp(inner) == 0)
		{
			unit_entry = &inner;
			sample_score(ctx, ml_model_open(ctx, bytes, size), &small, 16);
		}
		else
			refused++;
		unit_entry = outer;
	}
	CHECK(refused > 100);
}

UNIT_MAIN(test_mean, test_classes, test_vote, test_pipeline, test_misfits, test_corrupted, test_wrong_bytes)
