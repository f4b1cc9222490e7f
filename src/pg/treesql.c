/*
 * ml_tree_sql: a model of trees as one SQL expression over the columns it was trained on.
 *
 * A score is what the engine computes, in the same order: the start score plus the value of each tree, a nested
 * CASE; so it is equal to the last bit.  Columns become float8 as values.c makes them.  A comparison with
 * NULL is not true, so each node asks for the side that NULL does not go to, and ELSE is the other one.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pg/features.h"
#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/treenode.h"

PG_FUNCTION_INFO_V1(ml_tree_sql);

/* What the server parses and plans with its default max_stack_depth, and in seconds. */
#define SQL_MAX_TREES 2000		/* of a score */
#define SQL_MAX_DEPTH 500
#define SQL_MAX_NODES 200000

/* exp() of the server is an error where its result would be zero or infinite. */
#define EXP_LIMIT 700

typedef enum SqlOutput
{
	SQL_PREDICTION,
	SQL_PROBABILITY,
	SQL_SCORE,
	SQL_LABEL
} SqlOutput;

static const char *const output_names[] = {"prediction", "probability", "score", "label"};

StaticAssertDecl(lengthof(output_names) == SQL_LABEL + 1, "one name per output");

typedef struct SqlWriter
{
	StringInfoData text;
	const MlModel *model;
	const MlEnsemble *ensemble;
	const MlForest *forest;
	SqlOutput	output;
	int			class;			/* asked for, -1 = none */
	int			quantile;		/* asked for, among those of the model */
	int			middle;			/* the quantile next to the median */
	int			nquantiles;		/* 0 = the model estimates none */
	const char **columns;		/* [prepared columns] what reads it; NULL = not yet made */
	bool	   *may_be_nan;		/* [prepared columns] */
} SqlWriter;

static void append_node(SqlWriter *writer, size_t node, int depth);

/* ---- columns ---- */

/*
 * How a number of a type is read: %s is the column.  Times count seconds as values.c does: whole ones since the
 * epoch, whose fraction, that of the seconds since 2000, is added last.
 */
typedef struct NumberType
{
	const char *name;			/* as format_type names it */
	const char *format;
	bool		nan;			/* NaN is a value of it, which is missing */
} NumberType;

#define SINCE_2000 "extract(epoch FROM %s) - 946684800"
#define TIMESTAMP_FORMAT "((trunc(" SINCE_2000 ") + 946684800)::float8 + mod(" SINCE_2000 ", 1)::float8)"
#define INTERVAL_FORMAT \
	"((((extract(year FROM %s) * 12 + extract(month FROM %s)) * 30 + extract(day FROM %s)) * 86400)::float8 + " \
	"(extract(hour FROM %s) * 3600 + extract(minute FROM %s) * 60 + extract(second FROM %s))::float8)"

static const NumberType number_types[] = {
	{"double precision", "%s", true},
	{"real", "%s::float8", true},
	{"numeric", "%s::float8", true},
	{"smallint", "%s::float8", false},
	{"integer", "%s::float8", false},
	{"bigint", "%s::float8", false},
	{"boolean", "%s::int::float8", false},
	{"date", "extract(epoch FROM %s)::float8", false},
	{"time without time zone", "extract(epoch FROM %s)::float8", false},
	{"time with time zone", "extract(epoch FROM %s)::float8", false},
	{"timestamp without time zone", TIMESTAMP_FORMAT, false},
	{"timestamp with time zone", TIMESTAMP_FORMAT, false},
	{"interval", INTERVAL_FORMAT, false},
};

/* The way to read a type; length cuts the name short, as for the element of an array. */
static const NumberType *
find_number_type(const char *name, size_t length)
{
	for (size_t i = 0; i < lengthof(number_types); i++)
		if (strlen(number_types[i].name) == length && strncmp(number_types[i].name, name, length) == 0)
			return &number_types[i];
	return NULL;
}

/* An identifier in quotes, whatever the server's settings or keywords. */
static char *
quoted_name(const char *name)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '"');
	for (; *name != '\0'; name++)
	{
		if (*name == '"')
			appendStringInfoChar(&text, '"');
		appendStringInfoChar(&text, *name);
	}
	appendStringInfoChar(&text, '"');
	return text.data;
}

/* The format of a type with the column in place of each %s. */
static char *
fill_format(const char *format, const char *column)
{
	StringInfoData text;
	const char *mark;

	initStringInfo(&text);
	while ((mark = strstr(format, "%s")) != NULL)
	{
		appendBinaryStringInfo(&text, format, (int) (mark - format));
		appendStringInfoString(&text, column);
		format = mark + 2;
	}
	appendStringInfoString(&text, format);
	return text.data;
}

/* Make the expression that reads a prepared column. */
static void
make_column(SqlWriter *writer, int column)
{
	const MlPreparedColumn *prepared = ml_prep_column(writer->model->prep, column);
	const MlFeature *feature = &writer->model->signature->features[prepared->feature];
	const char *name = quoted_name(feature->name);
	size_t		length = strlen(feature->type);
	const NumberType *type;

	if (ml_prep_term(writer->model->prep, column) != NULL ||
		(prepared->kind != ML_PREPARED_NUMBER && prepared->kind != ML_PREPARED_CATEGORY))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of the model is made by steps of its preparation", prepared->name),
				 errdetail("Only trees over columns as they were given can be written as SQL.")));
	if (feature->kind == ML_KIND_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("feature \"%s\" of the model is a text, whose terms SQL cannot weigh", feature->name),
				 errdetail("Only trees over columns as they were given can be written as SQL.")));
	if (feature->kind == ML_KIND_CATEGORY)
	{
		/* bytes are compared, whatever the column's collation holds equal */
		writer->columns[column] = psprintf("%s%s COLLATE \"C\"", name,
										   strcmp(feature->type, "text") == 0 ? "" : "::text");
		return;
	}
	if (feature->kind == ML_KIND_VECTOR)
	{
		name = psprintf("%s[%d]", name, prepared->slot - feature->slot + 1);
		length -= length > 2 && strcmp(feature->type + length - 2, "[]") == 0 ? 2 : 0;
	}
	type = find_number_type(feature->type, length);
	writer->may_be_nan[column] = type == NULL || type->nan;
	/* a type of its own, such as a domain in an array: the server knows the cast */
	writer->columns[column] = fill_format(type != NULL ? type->format : "%s::float8", name);
}

/* The expression that reads a prepared column. */
static const char *
column_sql(SqlWriter *writer, int column)
{
	if (writer->columns[column] == NULL)
		make_column(writer, column);
	return writer->columns[column];
}

/* ---- trees ---- */

/* A new line at a depth. */
static void
append_line(SqlWriter *writer, int depth)
{
	appendStringInfoChar(&writer->text, '\n');
	appendStringInfoSpaces(&writer->text, 2 * depth);
}

/* A number that stays the same to the last bit. */
static void
append_number(SqlWriter *writer, double number)
{
	appendStringInfo(&writer->text, "%s::float8", number_text(number));
}

/* The condition of a number's node, for the side that NULL does not go to; tells whether that is the left. */
static bool
append_number_condition(SqlWriter *writer, size_t node)
{
	int			column = writer->forest->feature[node];
	const char *read = column_sql(writer, column);
	bool		ask_left = !ml_forest_missing_left(writer->forest, node);

	appendStringInfo(&writer->text, "%s %s %s", read, ask_left ? "<=" : ">",
					 number_text(writer->forest->threshold[node]));
	/* to SQL, NaN is greater than all numbers */
	if (!ask_left && writer->may_be_nan[column])
		appendStringInfo(&writer->text, " AND %s <> 'NaN'", read);
	return ask_left;
}

/* The condition of a category's node, for the side that unseen strings do not go to; tells whether that is the left. */
static bool
append_category_condition(SqlWriter *writer, size_t node)
{
	int			column = writer->forest->feature[node];
	const char *read = column_sql(writer, column);
	int			levels = ml_prep_string_levels(writer->model->prep, column);
	bool		ask_left = !node_unseen_left(writer->model, writer->forest, node);
	bool		with_null = node_null_left(writer->model, writer->forest, node) == ask_left;
	int			count = 0;

	for (int level = 0; level < levels; level++)
		if (ml_forest_goes_left(writer->forest, node, level) == ask_left)
		{
			if (count++ == 0)
				appendStringInfo(&writer->text, "%s IN (", read);
			else
				appendStringInfoString(&writer->text, ", ");
			appendStringInfoString(&writer->text,
								   quote_literal_cstr(ml_prep_level_name(writer->model->prep, column, level)));
		}
	if (count > 0)
		appendStringInfoChar(&writer->text, ')');
	if (with_null)
		appendStringInfo(&writer->text, "%s%s IS NULL", count > 0 ? " OR " : "", read);
	if (count == 0 && !with_null)
		appendStringInfoString(&writer->text, "false");
	return ask_left;
}

/* The value of a class at a leaf. */
static double
leaf_value(const SqlWriter *writer, size_t node, int class)
{
	const MlForest *forest = writer->forest;

	return forest->value[node * (size_t) forest->width + (forest->width > 1 ? (size_t) class : 0)];
}

/* A node and what is below it. */
static void
append_node(SqlWriter *writer, size_t node, int depth)
{
	const MlForest *forest = writer->forest;
	size_t		left = (size_t) forest->left[node];
	bool		ask_left;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (forest->feature[node] < 0)
	{
		append_number(writer, leaf_value(writer, node, writer->class));
		return;
	}
	appendStringInfoString(&writer->text, "CASE WHEN ");
	if (forest->levels[forest->feature[node]] > 0)
		ask_left = append_category_condition(writer, node);
	else
		ask_left = append_number_condition(writer, node);
	append_line(writer, depth + 1);
	appendStringInfoString(&writer->text, "THEN ");
	append_node(writer, ask_left ? left : left + 1, depth + 1);
	append_line(writer, depth + 1);
	appendStringInfoString(&writer->text, "ELSE ");
	append_node(writer, ask_left ? left + 1 : left, depth + 1);
	appendStringInfoString(&writer->text, " END");
}

/* The score of an output: base + scale * (the trees one after the other). */
static void
append_score(SqlWriter *writer, int output)
{
	const MlForest *forest = writer->forest;
	double		base = writer->ensemble->base[output];
	bool		scaled = writer->ensemble->scale != 1;
	bool		started = false;
	int			class = writer->class;

	writer->class = output;
	appendStringInfoChar(&writer->text, '(');
	if (!scaled || base != 0 || forest->trees == 0)
	{
		append_number(writer, base);
		started = true;
	}
	if (scaled && forest->trees > 0)
	{
		appendStringInfoString(&writer->text, started ? " + " : "");
		append_number(writer, writer->ensemble->scale);
		appendStringInfoString(&writer->text, " * (");
		started = false;
	}
	for (size_t t = 0; t < forest->trees; t++)
	{
		if (forest->width == 1 && t % (size_t) forest->outputs != (size_t) output)
			continue;
		append_line(writer, 0);
		appendStringInfoString(&writer->text, started ? "+ " : "  ");
		append_node(writer, (size_t) forest->tree_begin[t], 1);
		started = true;
	}
	appendStringInfoString(&writer->text, scaled && forest->trees > 0 ? "))" : ")");
	writer->class = class;
}

/* ---- outputs ---- */

/* The label of a class as it is predicted: a number where labels are numbers or booleans. */
static void
append_class(SqlWriter *writer, int class)
{
	const MlSignature *signature = writer->model->signature;

	if (writer->output == SQL_LABEL)
		appendStringInfo(&writer->text, "%s::text", quote_literal_cstr(signature->class_labels[class]));
	else
		append_number(writer, signature->class_values[class]);
}

/* The scores of all classes as rows (class, label, score) of s. */
static void
append_scores(SqlWriter *writer)
{
	appendStringInfoString(&writer->text, "(VALUES ");
	for (int class = 0; class < writer->model->signature->nclasses; class++)
	{
		appendStringInfo(&writer->text, "%s(%d, ", class > 0 ? ", " : "", class);
		append_class(writer, class);
		appendStringInfoString(&writer->text, ", ");
		append_score(writer, class);
		appendStringInfoChar(&writer->text, ')');
	}
	appendStringInfoString(&writer->text, ") AS s (class, label, score)");
}

/* The probability of a class from its score alone, or from the scores of all. */
static void
append_probability(SqlWriter *writer, int class)
{
	StringInfo	text = &writer->text;
	bool		one_score = writer->forest->outputs == 1;

	switch (writer->ensemble->link)
	{
		case ML_LINK_LOGISTIC:
			appendStringInfo(text, "1 / (1 + exp(%s", class == 1 ? "-" : "");
			appendStringInfo(text, "greatest(-%d, least(%d, ", EXP_LIMIT, EXP_LIMIT);
			append_score(writer, 0);
			appendStringInfoString(text, "))))");
			break;
		case ML_LINK_COMPLEMENT:
			appendStringInfoString(text, class == 1 ? "" : "1 - ");
			append_score(writer, 0);
			break;
		case ML_LINK_SOFTMAX:
			appendStringInfo(text, "(SELECT sum(e) FILTER (WHERE class = %d) / sum(e) FROM "
							 "(SELECT class, exp(greatest(-%d, score - max(score) OVER ())) AS e FROM ", class,
							 EXP_LIMIT);
			append_scores(writer);
			appendStringInfoString(text, ") AS t)");
			break;
		case ML_LINK_OVR:
			appendStringInfo(text, "(SELECT sum(p) FILTER (WHERE class = %d) / sum(p) FROM "
							 "(SELECT class, 1 / (1 + exp(-greatest(-%d, least(%d, score)))) AS p FROM ", class,
							 EXP_LIMIT, EXP_LIMIT);
			append_scores(writer);
			appendStringInfoString(text, ") AS t)");
			break;
		default:
			append_score(writer, one_score ? 0 : class);
			break;
	}
}

/* The class predicted: that of the highest probability, the first of those. */
static void
append_predicted_class(SqlWriter *writer)
{
	if (writer->forest->outputs == 1)
	{
		appendStringInfoString(&writer->text, "CASE WHEN ");
		append_score(writer, 0);
		appendStringInfo(&writer->text, " > %s THEN ", writer->ensemble->link == ML_LINK_COMPLEMENT ? "0.5" : "0");
		append_class(writer, 1);
		appendStringInfoString(&writer->text, " ELSE ");
		append_class(writer, 0);
		appendStringInfoString(&writer->text, " END");
		return;
	}
	appendStringInfoString(&writer->text, "(SELECT label FROM ");
	append_scores(writer);
	appendStringInfoString(&writer->text, " ORDER BY score DESC, class LIMIT 1)");
}

/* A quantile: those off the middle give way where they cross. */
static void
append_quantile(SqlWriter *writer)
{
	int			step = writer->quantile > writer->middle ? 1 : -1;

	if (writer->quantile == writer->middle)
	{
		append_score(writer, writer->middle);
		return;
	}
	appendStringInfoString(&writer->text, step > 0 ? "greatest(" : "least(");
	for (int q = writer->middle;; q += step)
	{
		append_score(writer, q);
		if (q == writer->quantile)
			break;
		appendStringInfoString(&writer->text, ", ");
	}
	appendStringInfoChar(&writer->text, ')');
}

/* The prediction of a model without classes. */
static void
append_number_prediction(SqlWriter *writer)
{
	StringInfo	text = &writer->text;

	if (writer->nquantiles > 0)
	{
		append_quantile(writer);
		return;
	}
	switch (writer->ensemble->link)
	{
		case ML_LINK_EXP:
			appendStringInfo(text, "exp(greatest(-%d, ", EXP_LIMIT);
			append_score(writer, 0);
			appendStringInfoString(text, "))");
			break;
		case ML_LINK_ANOMALY:
			appendStringInfoString(text, "power(2::float8, -");
			append_score(writer, 0);
			appendStringInfoChar(text, ')');
			break;
		default:
			append_score(writer, 0);
			break;
	}
}

/* The whole expression. */
static void
append_output(SqlWriter *writer)
{
	bool		classes = writer->model->signature->nclasses > 0;

	if (writer->output == SQL_SCORE)
		append_score(writer, writer->nquantiles > 0 ? writer->quantile :
					 writer->forest->outputs == 1 ? 0 : writer->class);
	else if (writer->output == SQL_PROBABILITY)
		append_probability(writer, writer->class);
	else if (classes)
		append_predicted_class(writer);
	else
		append_number_prediction(writer);
}

/* ---- arguments ---- */

/* Refuse what cannot be written, or not be read again by the server. */
static void
check_size(const SqlWriter *writer)
{
	const MlForest *forest = writer->forest;
	size_t		trees = forest->trees / (size_t) ml_trees_a_round(forest);
	int		   *depth = palloc_extended(sizeof(int) * (forest->nodes + 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	int			deepest = 0;

	for (size_t i = 0; i < forest->nodes; i++)
		if (forest->feature[i] >= 0)
		{
			depth[forest->left[i]] = depth[forest->left[i] + 1] = depth[i] + 1;
			deepest = Max(deepest, depth[i] + 1);
		}
	pfree(depth);
	if (trees > SQL_MAX_TREES || deepest > SQL_MAX_DEPTH || forest->nodes > SQL_MAX_NODES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the model is too large for one expression"),
				 errdetail("It has %zu trees a score, %zu nodes, and depth %d; "
						   "at most %d trees, %d nodes and depth %d can be written.", trees, forest->nodes, deepest,
						   SQL_MAX_TREES, SQL_MAX_NODES, SQL_MAX_DEPTH),
				 errhint("Make it smaller with ml_truncate or ml_prune, or call ml_predict.")));
}

/* Error unless the options are an object whose members all have a meaning. */
static void
check_options(MlContext *ctx, Jsonb *options)
{
	static const char *const keys[] = {"output", "class", "quantile"};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(options))
		ml_raise_full(ctx, ML_ERROR_WRONG_TYPE, "options must be a JSON object", NULL,
					  "For example {\"output\": \"score\"}.");
	iterator = JsonbIteratorInit(&options->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		const char *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (strcmp(key, keys[0]) != 0 && strcmp(key, keys[1]) != 0 && strcmp(key, keys[2]) != 0)
			ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "options has no key \"%s\"", key), NULL,
						  ml_candidates_hint(ctx, "key", key, keys, lengthof(keys)));
	}
}

/* The string that an option is; NULL when it is not there. */
static const char *
string_option(MlContext *ctx, Jsonb *options, const char *key)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&options->root, key, (int) strlen(key), NULL);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		ml_raise(ctx, ML_ERROR_WRONG_TYPE, "option \"%s\" must be a string, not %s", key,
				 jsonb_cstring(JsonbPGetDatum(JsonbValueToJsonb(value))));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* The output asked for, else the prediction, or the label where that is text. */
static SqlOutput
read_output(MlContext *ctx, const MlSignature *signature, const char *name)
{
	bool		text = signature->nclasses > 0 && signature->target_kind == ML_TARGET_TEXT;
	SqlOutput	output = text ? SQL_LABEL : SQL_PREDICTION;

	if (name != NULL)
	{
		for (output = SQL_PREDICTION; output <= SQL_LABEL; output++)
			if (strcmp(name, output_names[output]) == 0)
				break;
		if (output > SQL_LABEL)
			ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "unknown output \"%s\"", name), NULL,
						  ml_candidates_hint(ctx, "output", name, output_names, lengthof(output_names)));
	}
	if (output == SQL_PREDICTION && text)
		ml_raise_full(ctx, ML_ERROR_WRONG_TYPE, "the model predicts labels, not numbers", NULL,
					  "Ask for the output \"label\" or \"probability\".");
	if ((output == SQL_PROBABILITY || output == SQL_LABEL) && signature->nclasses == 0)
		ml_raise_full(ctx, ML_ERROR_WRONG_TYPE,
					  ml_format(ctx, "a model without classes has no %s", output_names[output]), NULL,
					  "Ask for the output \"prediction\" or \"score\".");
	return output;
}

/* The class asked for, else the second of two; -1 where none is meant. */
static int
read_class(MlContext *ctx, const MlModel *model, const MlForest *forest, SqlOutput output, const char *name)
{
	int			nclasses = model->signature->nclasses;
	int			class;

	if (nclasses == 0 || (output != SQL_PROBABILITY && output != SQL_SCORE))
	{
		if (name != NULL)
			ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "option \"class\" does not apply to this output");
		return -1;
	}
	if (name == NULL && nclasses == 2)
		return 1;
	if (name == NULL)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "the %s of which class is not said", output_names[output]), NULL,
					  "Name it with the option \"class\".");
	class = features_find_class(model, name, strlen(name));
	if (class < 0)
		ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "class \"%s\" does not exist", name), NULL,
					  ml_candidates_hint(ctx, "class", name, model->signature->class_labels, (size_t) nclasses));
	if (output == SQL_SCORE && class == 0 && forest->outputs == 1)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "class \"%s\" has no score of its own", name), NULL,
					  "Of two classes, the second one has the score.");
	return class;
}

/* Find the quantile next to the median, and the one asked for. */
static void
read_quantile(MlContext *ctx, Jsonb *options, SqlWriter *writer)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&options->root, "quantile", 8, NULL);
	const MlAlgorithm *algorithm = writer->model->algorithm;
	const double *levels = NULL;
	double		wanted = 0.5;

	writer->nquantiles = algorithm->quantiles != NULL ? algorithm->quantiles(writer->model->loaded, &levels) : 0;
	for (int q = 1; q < writer->nquantiles; q++)
		if (fabs(levels[q] - 0.5) < fabs(levels[writer->middle] - 0.5))
			writer->middle = q;
	writer->quantile = writer->middle;
	if (value == NULL)
		return;
	if (writer->nquantiles == 0)
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "option \"quantile\" is for a model of quantiles");
	if (value->type == jbvNumeric)
		wanted = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													NumericGetDatum(value->val.numeric)));
	for (int q = 0; q < writer->nquantiles && value->type == jbvNumeric; q++)
		if (levels[q] == wanted)
		{
			writer->quantile = q;
			return;
		}
	ml_raise_full(ctx, ML_ERROR_UNDEFINED,
				  ml_format(ctx, "quantile %s does not exist", jsonb_cstring(JsonbPGetDatum(JsonbValueToJsonb(value)))),
				  NULL, ml_format(ctx, "The model has %d of them; ml_trees shows which.", writer->nquantiles));
}

/* A model as an SQL expression. */
Datum
ml_tree_sql(PG_FUNCTION_ARGS)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_tree_sql", false);
	Jsonb	   *options = PG_GETARG_JSONB_P(1);
	SqlWriter	writer = {0};
	Size		columns;

	writer.model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	writer.ensemble = ml_trees_of(ctx, writer.model);
	writer.forest = writer.ensemble->forest;
	check_options(ctx, options);
	writer.output = read_output(ctx, writer.model->signature, string_option(ctx, options, "output"));
	writer.class = read_class(ctx, writer.model, writer.forest, writer.output, string_option(ctx, options, "class"));
	read_quantile(ctx, options, &writer);
	check_size(&writer);
	columns = (Size) ml_prep_columns(writer.model->prep) + 1;
	writer.columns = palloc0(sizeof(char *) * columns);
	writer.may_be_nan = palloc0(sizeof(bool) * columns);
	initStringInfo(&writer.text);
	append_output(&writer);
	host_context_delete(ctx);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(writer.text.data, writer.text.len));
}
