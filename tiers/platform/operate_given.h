/* operate_given.h - the image of models that a Plant names (cluster.models): whether its pods got
 * it, as far as their status tells. */
#ifndef MW_PLATFORM_OPERATE_GIVEN_H
#define MW_PLATFORM_OPERATE_GIVEN_H

#include <jansson.h>
#include <stdbool.h>

/* Why `prepare` of this pod does not have its models, as {"reason","text","goes_on"}; NULL: it has
 * them, it asks for none, or nobody has tried yet. The caller's. Reasons: ModelsNotMounted (the
 * image cannot be pulled, or the node cannot mount images) and ModelsRefused (prepare has read them
 * and said why; goes_on: the plant has others and runs). */
json_t *mw_operate_given_lacks(const json_t *pod);

/* Of what several pods lack, by name: what keeps one from running, else any. NULL: none lacks
 * anything. Borrowed. */
const json_t *mw_operate_given_worst(const json_t *lacks);

/* Whether the Deployment that an API server answers with lacks the models that it was sent with:
 * one without image volumes drops the volume and its mounts, and says nothing. */
bool mw_operate_given_dropped(const json_t *sent, const json_t *answer);

#endif
