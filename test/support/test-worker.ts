// Loaded by each of Mocha's processes. A terminal sends Ctrl-C to all of them; were they to end by it, the process that
// started them could no longer tell what they have started.
process.on("SIGINT", () => undefined);
