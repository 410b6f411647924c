import expressSession from 'express-session';

export const session = expressSession({ secret: 'only here', resave: false, saveUninitialized: false });
