/* bridge_presence.h - whether another process is the bridge of a share already.
 *
 * Who opens a writer of Kafka takes it from whoever has it, so a second bridge of one share, each
 * with somebody who starts it again, would take it back and forth for ever. Therefore a bridge asks
 * first, on mw/<plant>/bridge/<share>, where the bridge of that share listens:
 *
 *   {"v":1,"ask":"<who>"}     answered by   {"v":1,"here":"<host>/<process>","spool":"<identity>"}
 *
 * and waits while there is an answer: it is a stand-by then, and goes on when the other one has
 * ended. That it could not, with a spool in which the other one has acknowledged records
 * (bridge_claim.h), is said at once and not when it is needed. Without a spool `spool` is empty.
 * The answer is also retained by the broker, so that one who is busy for a moment is not taken for
 * one who is not there. This keeps the peace; that nothing is stored twice does not hang on it. */
#ifndef MW_PLATFORM_BRIDGE_PRESENCE_H
#define MW_PLATFORM_BRIDGE_PRESENCE_H

#include "core/wire/message.h"
#include "lib/base/loop.h"
#include "lib/plant/broker.h"

#define MW_PRESENCE_TOPIC (MW_NAME_MAX + 32)

/* "mw/<plant>/bridge/<share>". */
void mw_bridge_presence_topic(const struct mw_plant *plant, char topic[MW_PRESENCE_TOPIC]);

/* Runs the loop until nobody answers: a second after the first question, six seconds after an
 * answer and when the broker knows of a process that may still be there. A broker that cannot be
 * asked within 5 s counts as silence. *alone is false when the loop was stopped before. Says READY
 * when it is a stand-by. `spool` is the identity of this one's own, empty when it has none yet.
 * STATE: either has a spool, and it is not the same. Errors: those of the client and the loop. */
mw_err mw_bridge_presence_wait(const struct mw_plant *plant, struct mw_loop *loop,
                               const struct mw_broker_address *address, const char *spool,
                               bool *alone, struct mw_error *error);

/* Of a message on that topic: whether it is a question, and the answer to it. */
bool mw_bridge_presence_asks(struct mw_wire_parser *parser, struct mw_span payload);
#define MW_PRESENCE_ANSWER 160
void mw_bridge_presence_answer(const char *spool, char text[static MW_PRESENCE_ANSWER]);

#endif
