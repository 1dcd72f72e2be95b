import { AuthExpired } from "../../../components/errors";
import type { ClusterConnection } from "../../cluster-connection";

/**
 * A connection that asks for credentials again when they have expired: those of the clouds last for minutes, an update and a
 * soak may take longer.
 * @param open opens a connection with credentials of now.
 */
export async function renewedConnection(open: () => Promise<ClusterConnection>): Promise<ClusterConnection> {
  let current = await open();
  return {
    get: async (path) => {
      try {
        return await current.get(path);
      } catch (error) {
        if (!(error instanceof AuthExpired)) throw error;
        current = await open();
        return current.get(path);
      }
    },
    ask: async (path) => {
      const answer = await current.ask(path);
      if (answer.status !== 401) return answer;
      current = await open();
      return current.ask(path);
    },
  };
}
