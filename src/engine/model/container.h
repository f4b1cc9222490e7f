/*
 * A model's bytes: header, table of sections, sections.
 *
 *   offset  0  char[8]  magic "MLAASMDL"
 *           8  uint32   format version (1)
 *          12  uint32   algorithm (MlAlgorithm.id)
 *          16  uint64   total size in bytes
 *          24  uint64   checksum: ml_hash_bytes of what follows byte 40, seeded by that of the
 *                       first 40 bytes with these 8 zero
 *          32  uint32   number of sections
 *          36  uint32   zero
 *          40  sections: { uint32 id; uint32 zero; uint64 offset; uint64 size } ...
 *
 * Little-endian; sections are 8-byte aligned, in order of their ids, without gaps
 * but for zero padding; each is one document (document.h).  Every format version
 * ever released stays readable.
 */
#ifndef ML_CONTAINER_H
#define ML_CONTAINER_H

#include "base/document.h"

#define ML_FORMAT_VERSION 1

/* Stored, never reused. */
typedef enum MlSection
{
	ML_SECTION_INVALID = 0,
	ML_SECTION_SIGNATURE = 1,	/* features, target, classes */
	ML_SECTION_PREPARATION = 2,
	ML_SECTION_PARAMETERS = 3,
	ML_SECTION_SUMMARY = 4,		/* how it was trained, metrics */
	ML_SECTION_PAYLOAD = 5,		/* the algorithm's own */
	ML_SECTION_LAST = ML_SECTION_PAYLOAD
} MlSection;

typedef struct MlSectionBytes
{
	const void *bytes;
	size_t		size;
} MlSectionBytes;

/* End a section's document. */
extern MlSectionBytes ml_section_finish(MlWriter *w);

/* Join sections (indexed by MlSection, slot 0 unused; all present) into a model's bytes. */
extern void *ml_container_build(MlContext *ctx, uint32_t algorithm,
								const MlSectionBytes *sections, size_t *size);

/*
 * Check bytes from outside whole: header, checksum, table, every section's document.
 * Returns NULL when sound, else a reason.  bytes must be 8-byte aligned.
 */
extern const char *ml_container_check(const void *bytes, size_t size);

/* Of checked bytes. */
extern uint32_t ml_container_algorithm(const void *bytes);
extern uint64_t ml_container_checksum(const void *bytes);
extern const MlNode *ml_container_section(const void *bytes, MlSection section);

/*
 * Text form: {"mlaas_model": 1, "algorithm": name, "signature": {..}, "preparation": {..},
 * "parameters": {..}, "summary": {..}, "payload": {..}}.  From JSON the same bytes come back.
 */
extern char *ml_container_to_json(MlContext *ctx, const void *bytes);
extern void *ml_container_from_json(MlContext *ctx, const char *json, size_t length, size_t *size);

#endif
