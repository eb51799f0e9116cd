/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine behind a socket: wires the rooms together and answers the protocol of
 * schema/protocol.md. */
#ifndef PROFD_PIPELINE_H
#define PROFD_PIPELINE_H

/* Serves one client on a connected stream socket, which is taken over, until it reaches its end or
 * the client asks for nothing more: every recording is stopped then, and nothing of it stays
 * behind. Blocks. 0 after an orderly end, negative errno where the socket failed. */
int pipeline_serve(int socket_fd);

#endif
