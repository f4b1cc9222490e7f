/*
 * The engine alone, on data in memory: what learning and scoring take without a server around them.
 *
 * Reads commands, one a line, and answers each with one line of JSON:
 *
 *   load CLASSES ROWS COLUMNS PATH          numbers from a file: doubles, column after column, the target last
 *   synthetic CLASSES ROWS COLUMNS          numbers made up as they are read
 *   fit THREADS ALGORITHM PARAMS            learn from them, PARAMS as JSON; {"seconds", "first", "peak"}
 *   score THREADS                           score all rows with what was learned; {"seconds", "loss"}
 *   frame ROWS NUMBERS CATEGORIES PATH      columns from a file: doubles (NaN = missing) of each number, then of each
 *                                           category where its strings end (8 bytes each) and their bytes
 *   prepare THREADS PREPROCESS              from those to the matrix that a learner gets, PREPROCESS as JSON;
 *                                           {"seconds", "read", "fitted", "columns": [names]}
 *   prepared PATH                           write that matrix to a file: doubles, column after column
 *
 * CLASSES is 0 for regression.  first: seconds until the first progress was told of (after the first tree);
 * peak: bytes allocated at once; loss: the mean log loss, or the root of the mean squared error; read: seconds of
 * these until strings and numbers are columns of the engine; fitted: until the preparation is fitted.
 */
#include "unit.h"

#include <time.h>

#include "base/random.h"
#include "base/threads.h"
#include "learn/composites.h"
#include "model/pipeline.h"

/* Columns as they are fetched: numbers as doubles, categories as strings. */
typedef struct Frame
{
	size_t		rows;
	int			numbers;
	int			categories;
	double	  **values;			/* [numbers][rows] */
	uint64_t  **ends;			/* [categories][rows] of each string in bytes */
	char	  **bytes;			/* [categories] */
	size_t		columns;		/* of the matrix that was made of them */
	double	   *matrix;			/* [columns][rows]; NULL = none was */
} Frame;

/* The rows, and what was learned from the last of them. */
typedef struct Bench
{
	MlDesign	design;
	double	   *x;				/* [columns][rows]; NULL = made up */
	double	   *target;			/* [rows] */
	double	   *center;			/* [columns] zeros */
	double	   *scale;			/* [columns] ones */
	int		   *levels;			/* [columns] zeros */
	MlContext  *ctx;			/* of the model */
	const MlAlgorithm *algorithm;
	const MlNode *payload;
	const void *loaded;
	double	   *out;			/* [outputs][rows] */
} Bench;

static double fit_begin;
static double fit_first;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Uniform numbers from -2 to 2 that depend on row and column only. */
static double
made_up(uint64_t row, uint64_t column)
{
	return (double) (ml_mix64(row << 12 | column) >> 40) * 0x1p-22 - 2.0;
}

static void
read_made_up(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	for (size_t j = 0; j < (size_t) design->columns; j++)
		for (size_t i = 0; i < n; i++)
			x[j * ldx + i] = made_up(begin + i, j);
}

static void
read_memory(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	for (size_t j = 0; j < (size_t) design->columns; j++)
		memcpy(x + j * ldx, (const double *) design->source + j * design->rows + begin, n * sizeof(double));
}

/* A target that depends on five columns and on chance. */
static double
made_up_target(uint64_t row, int columns, int classes)
{
	double		score = 1.5 * made_up(row, 0) * made_up(row, 1 % (uint64_t) columns) + made_up(row, 2 % (uint64_t) columns)
		+ sin(2 * made_up(row, 3 % (uint64_t) columns)) * made_up(row, 4 % (uint64_t) columns);
	double		chance = made_up(row, 4095) / 4 + 0.5;

	if (classes == 0)
		return score + 4 * chance;
	if (classes == 2)
		return chance < 1 / (1 + exp(-score));
	return floor(fmin(fmax((score + 8 * chance) / 12 + 0.2, 0), 0.999) * classes);
}

/* Forget the rows and what was learned. */
static void
forget(Bench *b)
{
	unit_release_since(NULL);
	free(b->x);
	free(b->target);
	free(b->center);
	free(b->scale);
	free(b->levels);
	free(b->out);
	*b = (Bench) {0};
}

static void
set_rows(Bench *b, int classes, size_t rows, int columns)
{
	size_t		p = (size_t) columns;

	forget(b);
	b->target = unit_malloc(rows * sizeof(double));
	b->center = unit_malloc(p * sizeof(double));
	b->scale = unit_malloc(p * sizeof(double));
	b->levels = unit_malloc(p * sizeof(int));
	b->out = unit_malloc((size_t) (classes > 0 ? classes : 1) * rows * sizeof(double));
	for (size_t j = 0; j < p; j++)
	{
		b->center[j] = 0;
		b->scale[j] = 1;
		b->levels[j] = 0;
	}
	b->design = (MlDesign) {
		.rows = rows,.columns = columns,.target = b->target,.classes = classes,.center = b->center,
		.scale = b->scale,.levels = b->levels,.read = read_made_up,
		.task = classes == 0 ? ML_TASK_REGRESSION : classes == 2 ? ML_TASK_BINARY : ML_TASK_MULTICLASS,
	};
}

static void
load_rows(Bench *b, int classes, size_t rows, int columns, const char *path)
{
	size_t		values = rows * (size_t) columns;
	FILE	   *file = fopen(path, "rb");

	set_rows(b, classes, rows, columns);
	b->x = unit_malloc(values * sizeof(double));
	if (file == NULL || fread(b->x, sizeof(double), values, file) != values ||
		fread(b->target, sizeof(double), rows, file) != rows)
		unit_fatal("cannot read the rows");
	fclose(file);
	b->design.read = read_memory;
	b->design.source = b->x;
}

static void
make_rows(Bench *b, int classes, size_t rows, int columns)
{
	set_rows(b, classes, rows, columns);
	for (size_t i = 0; i < rows; i++)
		b->target[i] = made_up_target(i, columns, classes);
}

static bool
progress_is_due(MlContext *ctx)
{
	(void) ctx;
	return fit_first < 0;
}

static void
note_progress(MlContext *ctx, const MlProgress *progress)
{
	(void) ctx;
	/* a trial of a learning rate is not yet a tree of the model */
	if (fit_first < 0 && strcmp(progress->phase, "fitting") == 0)
		fit_first = now() - fit_begin;
}

static void
fit_rows(Bench *b, int threads, const char *algorithm, const char *params)
{
	MlWriter   *w;
	const void *parsed;
	size_t		size;
	double		taken;

	unit_release_since(NULL);
	b->loaded = NULL;
	b->ctx = unit_context(threads);
	b->ctx->progress_due = progress_is_due;
	b->ctx->progress = note_progress;
	b->algorithm = ml_algorithm_by_name(b->ctx, algorithm);
	parsed = ml_params_parse(b->ctx, b->algorithm, params);
	w = ml_writer_create(b->ctx);
	fit_first = -1;
	fit_begin = now();
	b->algorithm->fit(b->ctx, &b->design, parsed, w);
	taken = now() - fit_begin;
	b->payload = ml_document_root(ml_writer_finish(w, &size));
	printf("{\"seconds\": %.6f, \"first\": %.6f, \"peak\": %zu}\n", taken, fit_first < 0 ? taken : fit_first,
		   b->ctx->peak_memory);
}

static void
score_piece(void *arg, size_t begin, size_t end, int worker)
{
	const Bench *b = arg;

	(void) worker;
	b->algorithm->score(b->loaded, b->x + begin, b->design.rows, end - begin, b->out + begin, b->design.rows);
}

/* The mean loss of the scores, to tell a fast answer from a right one. */
static double
loss(const Bench *b)
{
	size_t		n = b->design.rows;
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		y = b->target[i];

		if (b->design.classes == 0)
			sum += (b->out[i] - y) * (b->out[i] - y);
		else
			sum -= log(fmax(b->out[(size_t) y * n + i], 1e-15));
	}
	return b->design.classes == 0 ? sqrt(sum / (double) n) : sum / (double) n;
}

static void
score_rows(Bench *b, int threads)
{
	MlShape		shape = {
		.columns = b->design.columns,.task = b->design.task,.classes = b->design.classes,.center = b->center,
		.scale = b->scale,.levels = b->levels,
	};
	double		begin;
	double		taken;

	if (b->ctx == NULL || b->x == NULL)
		unit_fatal("nothing to score");
	b->ctx->max_threads = threads;
	if (b->loaded == NULL)
		b->loaded = b->algorithm->load(b->ctx, b->payload, &shape);
	begin = now();
	ml_parallel_for(b->ctx, b->design.rows, ML_BLOCK_ROWS, score_piece, b);
	taken = now() - begin;
	printf("{\"seconds\": %.6f, \"loss\": %.9f}\n", taken, loss(b));
}

/* ---- the preparation ---- */

/* The memory of n doubles or strings' ends from a file. */
static void *
read_part(FILE *file, size_t n, size_t size)
{
	void	   *part = unit_malloc(n * size + 1);

	if (fread(part, size, n, file) != n)
		unit_fatal("cannot read the columns");
	return part;
}

/* Forget the columns and what was made of them. */
static void
forget_frame(Frame *f)
{
	for (int i = 0; i < f->numbers; i++)
		free(f->values[i]);
	for (int i = 0; i < f->categories; i++)
	{
		free(f->ends[i]);
		free(f->bytes[i]);
	}
	free(f->values);
	free(f->ends);
	free(f->bytes);
	free(f->matrix);
	*f = (Frame) {0};
}

static void
load_frame(Frame *f, size_t rows, int numbers, int categories, const char *path)
{
	FILE	   *file = fopen(path, "rb");

	if (file == NULL)
		unit_fatal("cannot read the columns");
	forget_frame(f);
	*f = (Frame) {.rows = rows,.numbers = numbers,.categories = categories};
	f->values = unit_malloc((size_t) numbers * sizeof(double *) + 1);
	f->ends = unit_malloc((size_t) categories * sizeof(uint64_t *) + 1);
	f->bytes = unit_malloc((size_t) categories * sizeof(char *) + 1);
	for (int i = 0; i < numbers; i++)
		f->values[i] = read_part(file, rows, sizeof(double));
	for (int i = 0; i < categories; i++)
	{
		f->ends[i] = read_part(file, rows, sizeof(uint64_t));
		f->bytes[i] = read_part(file, f->ends[i][rows - 1], 1);
	}
	fclose(file);
}

/* The columns as a host reads them: value by value. */
static MlTable *
read_frame(MlContext *ctx, const Frame *f)
{
	MlTable    *table = ml_alloc_zero(ctx, sizeof *table);

	table->rows = f->rows;
	table->ncolumns = f->numbers + f->categories;
	table->columns = ml_alloc_array(ctx, (size_t) table->ncolumns, sizeof(MlColumn *));
	for (int c = 0; c < table->ncolumns; c++)
	{
		int			category = c - f->numbers;
		MlColumn   *column = ml_column_create(ctx, ml_format(ctx, "c%d", c),
											  category < 0 ? ML_KIND_NUMBER : ML_KIND_CATEGORY);

		table->columns[c] = column;
		for (size_t i = 0; i < f->rows && category < 0; i++)
			if (isnan(f->values[c][i]))
				ml_column_add_null(ctx, column);
			else
				ml_column_add_number(ctx, column, f->values[c][i]);
		for (size_t i = 0, begin = 0; i < f->rows && category >= 0; i++)
		{
			size_t		end = f->ends[category][i];

			ml_column_add_category(ctx, column, f->bytes[category] + begin, end - begin);
			begin = end;
		}
		ml_column_finish(ctx, column);
	}
	return table;
}

static Frame *copied;			/* whose matrix copy_rows writes */

static void
copy_piece(void *arg, size_t begin, size_t end, int worker)
{
	const MlDesign *design = arg;

	(void) worker;
	for (size_t i = begin; i < end; i += ML_BLOCK_ROWS)
		design->read(design, i, end - i < ML_BLOCK_ROWS ? end - i : ML_BLOCK_ROWS, copied->matrix + i, design->rows);
}

/* MlAlgorithm.fit of a learner that keeps what it is given, so that a training is its preparation alone. */
static void
copy_rows(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	(void) params;
	(void) payload;
	fit_first = now() - fit_begin;
	copied->columns = (size_t) design->columns;
	copied->matrix = unit_malloc(design->rows * copied->columns * sizeof(double));
	ml_parallel_for(ctx, design->rows, 16 * ML_BLOCK_ROWS, copy_piece, (void *) design);
}

static void
prepare_frame(Frame *f, int threads, const char *preprocess)
{
	MlContext  *ctx;
	MlAlgorithm algorithm = ml_transform_model;
	MlTrainSpec spec = {
		.algorithm = &algorithm,.preprocess = preprocess,.split = {.kind = ML_SPLIT_NONE},.target = -1,
		.target_kind = ML_TARGET_NONE,.weight = -1,.split_column = -1,.group = -1,.start = -1,
	};
	const char **types;
	MlTrainResult result;
	MlTable    *table;
	const MlModel *model;
	double		read;
	double		taken;

	unit_release_since(NULL);
	free(f->matrix);
	f->matrix = NULL;
	copied = f;
	ctx = unit_context(threads);
	algorithm.tasks = ML_TASK_ANOMALY;
	algorithm.fit = copy_rows;
	spec.nfeatures = f->numbers + f->categories;
	types = ml_alloc_array(ctx, (size_t) spec.nfeatures, sizeof(char *));
	for (int c = 0; c < spec.nfeatures; c++)
		types[c] = c < f->numbers ? "double precision" : "text";
	spec.feature_types = types;
	fit_begin = now();
	table = read_frame(ctx, f);
	read = now() - fit_begin;
	ml_pipeline_train(ctx, table, &spec, &result);
	taken = now() - fit_begin;
	model = ml_model_open(ctx, result.bytes, result.size);
	printf("{\"seconds\": %.6f, \"read\": %.6f, \"fitted\": %.6f, \"columns\": [", taken, read, fit_first);
	for (int j = 0; j < ml_prep_columns(model->prep); j++)
		printf("%s\"%s\"", j > 0 ? ", " : "", ml_prep_column(model->prep, j)->name);
	printf("]}\n");
}

static void
write_matrix(const Frame *f, const char *path)
{
	FILE	   *file = fopen(path, "wb");
	size_t		n = f->columns * f->rows;

	if (file == NULL || f->matrix == NULL || fwrite(f->matrix, sizeof(double), n, file) != n)
		unit_fatal("cannot write the matrix");
	fclose(file);
}

/* Do what a line says; false = it is no command. */
static bool
obey(Bench *b, Frame *f, const char *line)
{
	char		word[256];
	int			classes;
	int			columns;
	int			categories;
	int			threads;
	int			at;
	size_t		rows;

	if (sscanf(line, "load %d %zu %d %n", &classes, &rows, &columns, &at) == 3)
		load_rows(b, classes, rows, columns, line + at);
	else if (sscanf(line, "synthetic %d %zu %d", &classes, &rows, &columns) == 3)
		make_rows(b, classes, rows, columns);
	else if (sscanf(line, "frame %zu %d %d %n", &rows, &columns, &categories, &at) == 3)
		load_frame(f, rows, columns, categories, line + at);
	else if (strncmp(line, "prepared ", 9) == 0)
		write_matrix(f, line + 9);
	else if (sscanf(line, "fit %d %255s %n", &threads, word, &at) == 2)
	{
		fit_rows(b, threads, word, line + at);
		return true;
	}
	else if (sscanf(line, "score %d", &threads) == 1)
	{
		score_rows(b, threads);
		return true;
	}
	else if (sscanf(line, "prepare %d %n", &threads, &at) == 1)
	{
		prepare_frame(f, threads, line + at);
		return true;
	}
	else
		return false;
	printf("{}\n");
	return true;
}

int
main(void)
{
	Bench		b = {0};
	Frame		f = {0};
	char		line[4096];

	while (fgets(line, sizeof line, stdin) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		if (!obey(&b, &f, line))
			unit_fatal("a command that is none");
		fflush(stdout);
	}
	forget(&b);
	forget_frame(&f);
	return 0;
}
