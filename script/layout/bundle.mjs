// Writes a bundle with other names of its local variables and in another order. Compression depends on both.
//
// A bundle is one `let` with all top-level declarations, then statements: what terser makes of modules without classes and functions that
// are hoisted. Anything else throws.

import { parse } from "acorn";
import { reorder } from "./lists.mjs";

/** Reads a bundle. Its names are keys: of a top-level variable its own, of another one with the top-level variable around it. */
export function readBundle(code) {
  const [list, ...statements] = parse(code, { ecmaVersion: 2022, sourceType: "module" }).body;
  if (list.type !== "VariableDeclaration" || list.kind !== "let") throw new Error("the bundle does not begin with `let`");
  const scopes = new Scopes();
  for (const declarator of list.declarations) scopes.declare(scopes.top, declarator.id, "");
  const declarations = list.declarations.map((node) => {
    scopes.owner = node.id.name;
    scopes.visit(node, scopes.top);
    return { key: node.id.name, node };
  });
  scopes.owner = "";
  for (const statement of statements) scopes.visit(statement, scopes.top);
  scopes.resolve();
  return new Bundle(code, scopes, declarations);
}

class Bundle {
  constructor(code, scopes, declarations) {
    Object.assign(this, { code, scopes, declarations });
    this.variables = scopes.variables;
    this.byKey = new Map(declarations.map((declaration) => [declaration.key, declaration]));
    for (const declaration of declarations) declaration.needs = this.needsOf(declaration);
    this.order = declarations.map(({ key }) => key);
  }

  /** The declarations whose values a declaration may read before the next one is reached. */
  needsOf(declaration) {
    const used = ({ node, isLate }) =>
      this.scopes.references.filter(
        ({ start, variable, depth }) => variable?.scope === this.scopes.top && start > node.id.end && start < node.end && (isLate || depth === 0),
      );
    const needs = new Set();
    const queue = used({ node: declaration.node, isLate: false });
    while (queue.length) {
      const { key } = queue.pop().variable;
      if (key === declaration.key || needs.has(key)) continue;
      needs.add(key);
      // A function may be called at once, so what it reads counts too.
      queue.push(...used({ node: this.byKey.get(key).node, isLate: true }));
    }
    return needs;
  }

  /** Whether every declaration comes after those that it needs. */
  isOrder(order) {
    const place = new Map(order.map((key, index) => [key, index]));
    return this.declarations.every(({ key, needs }) => [...needs].every((needed) => place.get(needed) < place.get(key)));
  }

  /** Whether every reference finds its variable with these names, a map by key. */
  areNames(names) {
    for (const scope of this.scopes.all) {
      scope.renamed = new Map(scope.variables.map((variable) => [names.get(variable.key), variable]));
      if (scope.renamed.size < scope.variables.length) return false;
    }
    return this.scopes.references.every(({ name, scope, variable }) => {
      const sought = variable ? names.get(variable.key) : name;
      while (scope && !scope.renamed.has(sought)) scope = scope.parent;
      return scope?.renamed.get(sought) === variable;
    });
  }

  /** The code with these names and this order. */
  write(names, order) {
    const { declarations } = this;
    const [first, last] = [declarations[0].node.start, declarations.at(-1).node.end];
    const list = order.map((key) => this.renamed(this.byKey.get(key).node.start, this.byKey.get(key).node.end, names));
    return this.code.slice(0, first) + list.join(",") + this.renamed(last, this.code.length, names);
  }

  renamed(from, to, names) {
    let [text, at] = ["", from];
    for (const { name, start, end, variable, isShorthand } of this.scopes.references) {
      if (start < from || end > to || !variable) continue;
      text += this.code.slice(at, start) + (isShorthand ? `${name}:` : "") + names.get(variable.key);
      at = end;
    }
    return text + this.code.slice(at, to);
  }
}

const isFunction = ({ type }) => type === "ArrowFunctionExpression" || type === "FunctionExpression";

/** The scopes of a bundle with their variables, and all references. A declaration is a reference too. */
class Scopes {
  constructor() {
    this.all = [];
    this.variables = [];
    this.references = [];
    this.top = this.open(undefined);
    this.owner = "";
    this.depth = 0;
  }

  open(parent) {
    const scope = { parent, variables: [], byName: new Map() };
    this.all.push(scope);
    return scope;
  }

  declare(scope, pattern, owner) {
    if (!pattern) return;
    if (pattern.type === "Identifier") {
      const path = owner ? `${owner}.${pattern.name}` : pattern.name;
      const count = this.variables.filter(({ path: other }) => other === path).length;
      const variable = { key: count ? `${path}#${count + 1}` : path, path, name: pattern.name, scope };
      this.variables.push(variable);
      scope.variables.push(variable);
      scope.byName.set(pattern.name, variable);
    } else {
      const parts = pattern.properties ?? pattern.elements ?? [pattern.left ?? pattern.argument];
      for (const part of parts) this.declare(scope, part?.type === "Property" ? part.value : part, owner);
    }
  }

  /** Declares what `let` in a list of statements declares. */
  hoist(statements, scope) {
    for (const { type, kind, declarations } of statements) {
      if (type !== "VariableDeclaration") continue;
      if (kind !== "let") throw new Error(`the bundle has \`${kind}\``);
      for (const { id } of declarations) this.declare(scope, id, this.owner || "main");
    }
  }

  visit(node, scope) {
    if (isFunction(node)) return this.visitFunction(node, this.open(scope));
    if (node.type === "BlockStatement") {
      const block = this.open(scope);
      this.hoist(node.body, block);
      return this.visitParts(node, block);
    }
    if (/^For/.test(node.type)) {
      const loop = this.open(scope);
      this.hoist([node.left ?? node.init ?? {}], loop);
      return this.visitParts(node, loop);
    }
    if (node.type === "Identifier") return this.refer(node, scope, false);
    if (node.type === "MemberExpression" && !node.computed) return this.visit(node.object, scope);
    if (node.type === "Property" && node.shorthand) {
      this.refer(node.value.left ?? node.value, scope, true);
      return node.value.right && this.visit(node.value.right, scope);
    }
    if (node.type === "Property" && !node.computed) return this.visit(node.value, scope);
    if (/Class|FunctionDeclaration|Labeled/.test(node.type) || node.param) throw new Error(`the bundle has a ${node.type}`);
    this.visitParts(node, scope);
  }

  visitFunction(node, scope) {
    for (const parameter of node.params) this.declare(scope, parameter, this.owner || "main");
    this.depth++;
    for (const parameter of node.params) this.visit(parameter, scope);
    if (node.body.type === "BlockStatement") {
      this.hoist(node.body.body, scope);
      this.visitParts(node.body, scope);
    } else this.visit(node.body, scope);
    this.depth--;
  }

  visitParts(node, scope) {
    for (const part of Object.values(node).flat()) if (typeof part?.type === "string") this.visit(part, scope);
  }

  refer({ name, start, end }, scope, isShorthand) {
    this.references.push({ name, start, end, scope, isShorthand, depth: this.depth });
  }

  resolve() {
    this.references.sort((a, b) => a.start - b.start);
    for (const reference of this.references) {
      let { scope } = reference;
      while (scope && !scope.byName.has(reference.name)) scope = scope.parent;
      reference.variable = scope?.byName.get(reference.name);
    }
  }
}

const LETTERS = [..."etoanirlschdfpumgvybkwSEOxT$H_PRIWjMqNADFLJzBUCZGKQXVY"];

/**
 * Writes a bundle with the names and the order of a layout as far as they fit it. What the layout does not have gets the first name that
 * fits, and keeps its place behind the declaration before it.
 */
export function applyLayout(code, layout) {
  const bundle = readBundle(reorder(code, layout.lists));
  const { names, order } = fit(bundle, layout);
  return bundle.write(names, order);
}

/** The names and the order of the declarations, by keys, that `applyLayout` writes. */
export function fit(bundle, layout) {
  // Long names are in nobody's way.
  const names = new Map(bundle.variables.map(({ key }, index) => [key, `long_name_${index}`]));
  const assign = (key, candidates) => {
    const long = names.get(key);
    for (const name of candidates) if (name && bundle.areNames(names.set(key, name))) return;
    names.set(key, long);
  };
  for (const { key } of bundle.variables) assign(key, [layout.names[key]]);
  const isLeft = ({ key }) => names.get(key).startsWith("long_name_");
  for (const { key } of bundle.variables.filter(isLeft)) assign(key, LETTERS);
  const order = layout.order.filter((key) => bundle.byKey.has(key));
  for (const [index, key] of bundle.order.entries()) {
    if (!order.includes(key)) order.splice(order.indexOf(bundle.order[index - 1]) + 1, 0, key);
  }
  return { names, order: bundle.isOrder(order) ? order : bundle.order };
}
