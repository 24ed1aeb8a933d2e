/* score_policy.h - when a machine's scores become a command.
 *
 * `action.confirm` scores in a row at band immediate send action.immediate; as many at least
 * impending send action.impending. After a command the machine is held: no other one until as many
 * scores in a row were normal, the command has expired in the plant's time, or a repair or an
 * inspection came. Only a command of a higher band goes out all the same, since holding back a stop
 * would be dangerous. Somebody who looked and found no fault is believed for `action.quiet`: until
 * then the machine gets no command at all, or a model that is wrong about it would keep it standing
 * for ever. */
#ifndef MW_INFERENCE_SCORE_POLICY_H
#define MW_INFERENCE_SCORE_POLICY_H

#include "core/wire/message.h"
#include "lib/plant/plant.h"

/* {0} is a machine that was never conspicuous. The runs count up to action.confirm and stay there.
 */
struct mw_score_policy {
    uint32_t impending; /* latest scores in a row that were at least impending */
    uint32_t immediate; /* that were immediate */
    uint32_t normal;    /* that were normal, while held */
    enum mw_band held;  /* band of the command that holds the machine; NORMAL: none */
    int64_t expires;    /* microseconds UTC, of that command */
    int64_t quiet;      /* no command before this time; 0: no finding */
};

/* Takes in a score of that band at `time`; gives the action to send (borrowed from the plant), or
 * NULL. With an action policy->expires is when it expires. */
const char *mw_score_policy_take(struct mw_score_policy *policy, const struct mw_plant *plant,
                                 enum mw_band band, int64_t time);

/* An inspection or repair of that finding at `time`: the count starts anew. */
void mw_score_policy_judge(struct mw_score_policy *policy, const struct mw_plant *plant,
                           enum mw_finding finding, int64_t time);

/* Writes JSON to text (at least 192 bytes); gives its length, 0 for a policy of {0}. */
size_t mw_score_policy_print(const struct mw_score_policy *policy, char *text, size_t capacity);
mw_err mw_score_policy_parse(struct mw_score_policy *policy, struct mw_wire_parser *parser,
                             struct mw_span text);

#endif
