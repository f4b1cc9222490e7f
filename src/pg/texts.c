/*
 * Texts of the database -> terms of the engine.
 *
 * Words are the lexemes that to_tsvector would find: its parser and dictionaries are called in the same way, but the
 * lexemes are taken in their order and as often as they come.  They are found on the backend's own thread, as
 * dictionaries may read the catalog.
 *
 * A long text goes through the parser by pieces that end at white space, so that memory is bounded and a cancel is
 * answered; no n-gram goes over the end of a piece.
 */
#include "postgres.h"

#include <ctype.h>

#include "pg/texts.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_ts_config.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tsearch/ts_cache.h"
#include "tsearch/ts_utils.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#define PIECE_BYTES ((size_t) 128 * 1024)

/* ---- configurations ---- */

/* The configuration of a name, which may have a schema; InvalidOid when there is none. */
static Oid
find_config(const char *name)
{
	return get_ts_config_oid(textToQualifiedNameList(cstring_to_text(name)), true);
}

/* A hint for a configuration that does not exist. */
static const char *
config_hint(MlContext *ctx, const char *name)
{
	Relation	catalog = table_open(TSConfigRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	const char **names = NULL;
	size_t		count = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_ts_config form = (Form_pg_ts_config) GETSTRUCT(tuple);

		if (!TSConfigIsVisible(form->oid))
			continue;
		names = count == 0 ? palloc(sizeof(char *)) : repalloc(names, (count + 1) * sizeof(char *));
		names[count++] = pstrdup(NameStr(form->cfgname));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return ml_candidates_hint(ctx, "text search configuration", name, names, count);
}

char *
texts_config_name(MlContext *ctx, const char *given)
{
	Oid			config = given != NULL ? find_config(given) : getTSCurrentConfig(true);
	HeapTuple	tuple;
	Form_pg_ts_config form;
	char	   *name;

	if (!OidIsValid(config))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("text search configuration \"%s\" does not exist", given),
				 errhint("%s", config_hint(ctx, given))));
	tuple = SearchSysCache1(TSCONFIGOID, ObjectIdGetDatum(config));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for text search configuration %u", config);
	form = (Form_pg_ts_config) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->cfgnamespace), NameStr(form->cfgname));
	ReleaseSysCache(tuple);
	return name;
}

Oid
texts_config(const MlTextOptions *options, const char *feature)
{
	Oid			config;

	if (options->tokens != ML_TEXT_WORDS)
		return InvalidOid;
	config = find_config(options->config);
	if (!OidIsValid(config))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("text search configuration \"%s\" does not exist", options->config),
				 errdetail("It found the words of feature \"%s\" when the model was trained.", feature),
				 errhint("Create it again as it was, or train a new version of the model.")));
	return config;
}

/* ---- terms ---- */

/* The terms of a piece of text, by its words. */
static void
piece_words(const MlTextOptions *options, Oid config, const char *bytes, size_t length, MlTextTerm term, void *arg)
{
	ParsedText	parsed = {.lenwords = (int32) Max(length / 6, 16)};
	size_t		total = 0;
	size_t		count = 0;
	size_t	   *bounds;
	MlTextUnits units;
	char	   *joined;
	char	   *end;

	parsed.words = palloc(sizeof(ParsedWord) * (Size) parsed.lenwords);
	parsetext(config, &parsed, unconstify(char *, bytes), (int32) length);
	for (int32 i = 0; i < parsed.curwords; i++)
		total += (size_t) parsed.words[i].len + 1;
	bounds = palloc(sizeof(size_t) * (2 * (Size) parsed.curwords + 1));
	joined = end = palloc(total + 1);
	for (int32 i = 0; i < parsed.curwords; i++)
	{
		/* a dictionary may make nothing of a word */
		if (parsed.words[i].len == 0)
			continue;
		bounds[count] = (size_t) (end - joined);
		memcpy(end, parsed.words[i].word, parsed.words[i].len);
		end += parsed.words[i].len;
		bounds[(size_t) parsed.curwords + count++] = (size_t) (end - joined);
		*end++ = ' ';
	}
	units = (MlTextUnits) {.bytes = joined,.count = count,.start = bounds,.end = bounds + parsed.curwords};
	ml_text_grams(options, &units, term, arg);
}

/* The bytes of a character in the server's encoding. */
static size_t
character_bytes(const char *p, size_t left)
{
	return Min((size_t) Max(pg_encoding_mblen(GetDatabaseEncoding(), p), 1), left);
}

/* The terms of a piece of text, by its characters. */
static void
piece_characters(const MlTextOptions *options, const char *bytes, size_t length, MlTextTerm term, void *arg)
{
	if (options->lowercase)
	{
		bytes = str_tolower(bytes, length, DEFAULT_COLLATION_OID);
		length = strlen(bytes);
	}
	ml_text_characters(options, bytes, length, character_bytes, palloc(length + 3),
					   palloc(sizeof(size_t) * (length + 3)), term, arg);
}

/* Where a text is cut: behind the last white space of a piece's second half, else at a character. */
static size_t
piece_length(const char *bytes, size_t length)
{
	if (length <= PIECE_BYTES)
		return length;
	for (size_t n = PIECE_BYTES; n > PIECE_BYTES / 2; n--)
		if (isspace((unsigned char) bytes[n - 1]) && !IS_HIGHBIT_SET(bytes[n - 1]))
			return n;
	return (size_t) pg_mbcliplen(bytes, (int) Min(length, 2 * PIECE_BYTES), (int) PIECE_BYTES);
}

/* The terms of a piece. */
static void
piece_terms(const MlTextOptions *options, Oid config, const char *bytes, size_t length, MlTextTerm term, void *arg)
{
	if (options->tokens == ML_TEXT_WORDS)
		piece_words(options, config, bytes, length, term, arg);
	else
		piece_characters(options, bytes, length, term, arg);
}

void
texts_each_term(const MlTextOptions *options, Oid config, const char *bytes, size_t length, MlTextTerm term, void *arg)
{
	MemoryContext memory;
	MemoryContext caller;

	if (length <= PIECE_BYTES)
	{
		piece_terms(options, config, bytes, length, term, arg);
		return;
	}
	memory = AllocSetContextCreate(CurrentMemoryContext, "mlaas text", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(memory);
	for (size_t n; length > 0; bytes += n, length -= n)
	{
		CHECK_FOR_INTERRUPTS();
		n = piece_length(bytes, length);
		piece_terms(options, config, bytes, n, term, arg);
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}
