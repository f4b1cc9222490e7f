/*
 * The rows that a version's training held out.
 *
 * The registry has what a training was asked for: source, target, features, validation and the digest of the
 * rows it read.  The source is read once more; a row's hash and the split say on which side it was.  Only when the
 * digest is the training's own are these the rows of then, so otherwise nothing is compared.
 *
 * The source is SQL that the role wrote which trained the version, so only that role runs it: any other would lend its
 * rights to whatever functions the text calls.
 */
#include "postgres.h"

#include "pg/heldout.h"

#include <inttypes.h>
#include <math.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "model/pipeline.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/registry_write.h"
#include "pg/scored.h"
#include "pg/source.h"
#include "pg/train.h"

/* What the registry has about a training. */
typedef struct Training
{
	char	   *source;
	char	   *target;
	char	   *algorithm;
	char	   *params;
	char	   *preprocess;
	char	   *validation;
	char	   *weight;
	char	   *digest;
	char	   *trained_by;
	ArrayType  *features;
	Jsonb	   *lineage;
	int64		rows;
	int64		n_test;
} Training;

/* A text column of the row that the last statement returned, copied; NULL for a null. */
static char *
copied_text(int column, MemoryContext memory)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	return text == NULL ? NULL : MemoryContextStrdup(memory, text);
}

/* Read what the registry has about a training. */
static void
read_training(const RegistryVersion *version, Training *training)
{
	MemoryContext caller = CurrentMemoryContext;
	ColumnValue id = column_uuid("id", &version->id);
	Writer		writer;
	MemoryContext spi;

	writer_begin(&writer, "ml_deploy()");
	writer_execute("SELECT source, target, algorithm, parameters, preprocess, validation,"
				   " lineage -> 'arguments' ->> 'weight', row_digest, n_test, n_train + n_test + n_skipped,"
				   " ARRAY(SELECT f ->> 'name' FROM jsonb_array_elements(features) WITH ORDINALITY AS e(f, i) ORDER BY "
				   "i), trained_by, lineage"
				   " FROM mlaas.version WHERE id = $1", SPI_OK_SELECT, 1, &id);
	if (SPI_processed != 1)
		elog(ERROR, "version %d of model \"%s\" is not there", version->version, version->name);
	training->source = copied_text(1, caller);
	training->target = copied_text(2, caller);
	training->algorithm = copied_text(3, caller);
	training->params = copied_text(4, caller);
	training->preprocess = copied_text(5, caller);
	training->validation = copied_text(6, caller);
	training->weight = copied_text(7, caller);
	training->digest = copied_text(8, caller);
	training->trained_by = copied_text(12, caller);
	training->n_test = DatumGetInt64(writer_result(0, 9));
	training->rows = DatumGetInt64(writer_result(0, 10));
	spi = MemoryContextSwitchTo(caller);
	training->features = DatumGetArrayTypePCopy(writer_result(0, 11));
	training->lineage = DatumGetJsonbPCopy(writer_result(0, 13));
	MemoryContextSwitchTo(spi);
	writer_end(&writer);
}

/* The arguments that read the same columns and split the rows the same way. */
static void
training_args(MlContext *ctx, const RegistryVersion *version, const Training *training, TrainArgs *args)
{
	Datum	   *features;

	memset(args, 0, sizeof(*args));
	args->name = pstrdup(version->name);
	args->source = training->source;
	args->target = training->target;
	args->algorithm = ml_algorithm_by_name(ctx, training->algorithm);
	args->params = training->params;
	args->preprocess = training->preprocess;
	args->weight = training->weight;
	deconstruct_array(training->features, TEXTOID, -1, false, TYPALIGN_INT, &features, NULL, &args->nfeatures);
	args->features = palloc(sizeof(char *) * (Size) Max(args->nfeatures, 1));
	for (int i = 0; i < args->nfeatures; i++)
		args->features[i] = TextDatumGetCString(features[i]);
	train_read_params(ctx, args);
	train_read_validation(ctx, DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(training->validation))),
						  args);
}

/* A sentence when the source lacks a feature of a model; NULL when it has all. */
static char *
missing_feature(const Source *source, const MlModel *model)
{
	const MlSignature *signature = model->signature;

	for (int f = 0; f < signature->nfeatures; f++)
		if (source_find(source, signature->features[f].name) < 0)
			return psprintf("The source of the new version's training has no column \"%s\", which the other version "
							"needs.", signature->features[f].name);
	return NULL;
}

/*
 * A sentence when the rows would not fit into the memory that there is: their hashes need all of their values, and the
 * models' outputs are kept besides.  A training may have been larger, when it streamed.
 */
static char *
too_large(const MlContext *ctx, const Training *training, const MlModel *const models[2])
{
	double		values = models[0]->signature->slots + 4.0;
	double		bytes;

	for (int i = 0; i < 2; i++)
		values += ml_model_outputs(models[i]) + 1.0;
	bytes = (double) training->rows * values * sizeof(double);
	if (ctx->max_memory == 0 || bytes <= (double) ctx->max_memory)
		return NULL;
	return psprintf("To read the rows of its training again takes up to %.0f MB, more than mlaas.max_memory.",
					ceil(bytes / (1 << 20)));
}

/* The metrics of two models on the rows that a training held out. */
char *
heldout_measure(MlContext *ctx, const RegistryVersion *version, const MlModel *const models[2],
				MlMetric metrics[2][ML_MAX_METRICS], int *count)
{
	Training	training;
	TrainArgs	args;
	MlDigest	digest = {0};
	Scored	   *scored;
	uint8	   *sides;
	uint32	   *rows;
	double	   *weights;
	size_t		n = 0;
	char	   *obstacle;

	read_training(version, &training);
	if (lineage_is_value(training.lineage))
		return pstrdup("It was registered as a value, so the rows that its training held out are not known.");
	if (training.n_test == 0)
		return pstrdup("Its training held out no rows.");
	if (models[0]->algorithm->fit == NULL)
		return pstrdup("It is made of other models, each of which had rows of its own.");
	if (strcmp(training.trained_by, GetUserNameFromId(GetUserId(), false)) != 0)
		return psprintf("Role \"%s\" trained it, and the source of that would run with your rights.",
						training.trained_by);
	obstacle = too_large(ctx, &training, models);
	if (obstacle != NULL)
		return obstacle;
	training_args(ctx, version, &training, &args);
	args.like = models[0];
	if (args.split.folds > 0)
		return pstrdup("Its training measured it by cross-validation and learned from all rows.");
	obstacle = missing_feature(source_open(args.source), models[1]);
	if (obstacle != NULL)
		return obstacle;
	sides = train_held_out(ctx, &args, models, 2, &scored, &weights, &digest);
	if (training.digest == NULL ||
		strcmp(training.digest, psprintf("%016" PRIx64 "%016" PRIx64, digest.sum, digest.sum_inverse)) != 0)
		return pstrdup("Its source has other rows now than at its training.");
	rows = ml_alloc_array(ctx, scored->rows, sizeof(uint32));
	for (size_t i = 0; i < scored->rows; i++)
		if (sides[i] == ML_SIDE_TEST)
		{
			/* in the order of the rows held out, never ahead of those still to be read */
			if (weights != NULL)
				weights[n] = weights[i];
			rows[n++] = (uint32) i;
		}
	if (n == 0)
		return pstrdup("No held-out row has a target.");
	for (int i = 0; i < 2; i++)
		*count = scored_metrics(scored, i, rows, n, weights, metrics[i]);
	return NULL;
}
