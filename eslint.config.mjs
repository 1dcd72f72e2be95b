import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", ".clawfleet/**", "sdk/**"] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["*.mjs", "stacks/*.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "max-lines": ["error", { max: 400, skipBlankLines: false, skipComments: false }],
      eqeqeq: "error",
    },
  },
  {
    // Pulumi resources register themselves when constructed, so a `new` whose value is unused is the normal case.
    files: ["components/**", "stacks/**"],
    rules: { "no-new": "off" },
  },
  {
    // The build bundles what we use of these; see docs/decisions.md.
    files: ["components/*.ts", "stacks/**/*.ts", "cli/**/*.ts"],
    ignores: ["components/yaml.ts", "stacks/zod.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        { name: "yaml", message: "Import components/yaml." },
        { name: "zod", message: "Import stacks/zod." },
      ],
    },
  },
  {
    files: ["**/*.js", "**/*.mjs", "**/*.cjs"],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      globals: {
        require: "readonly",
        module: "writable",
        process: "readonly",
        __dirname: "readonly",
        console: "readonly",
        setTimeout: "readonly",
      },
    },
    rules: { ...tseslint.configs.disableTypeChecked.rules, "@typescript-eslint/no-require-imports": "off" },
  },
);
